package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Gauss–Newton and proximal Bregman response against dense matrices in float64. */
class BregmanResponseTest {
  private static final ImageShape IMAGE = new ImageShape(2, 3, 1);
  private static final int IN = 6;
  private static final int HIDDEN = 5;
  private static final int OUT = 3;
  private static final double DAMPING = 0.05;
  private static final TinyData DATA = new TinyData(20, IMAGE, OUT, 4, 0);
  private static final Normalisation NONE = Normalisation.identity(1);

  private static Backend backend;
  private static Model model;
  private static double[] theta;
  private static double[][] inputs;

  @BeforeAll
  static void prepare() {
    backend = Device.cpu(1).open();
    model =
        Model.initialise(
            Network.builder(Extent.image(2, 3, 1))
                .then(new Layer.Flatten())
                .then(new Layer.Linear("one", IN, HIDDEN, true))
                .then(new Layer.Relu())
                .then(new Layer.Linear("two", HIDDEN, OUT, true))
                .build(),
            8);
    theta = doubles(model.parameters());
    inputs = new double[(int) DATA.size()][IN];
    for (int n = 0; n < inputs.length; n++) {
      float[] pixels = new float[IN];
      DATA.pixels(n, MemorySegment.ofArray(pixels), 0);
      for (int i = 0; i < IN; i++) {
        inputs[n][i] = pixels[i];
      }
    }
  }

  @AfterAll
  static void release() {
    model.close();
    backend.close();
  }

  private static double[] doubles(Parameters parameters) {
    double[] values = new double[Math.toIntExact(parameters.count())];
    for (int i = 0; i < values.length; i++) {
      values[i] = parameters.flat().get(i);
    }
    return values;
  }

  /** Outputs and, behind them, their derivatives by every parameter, [1 + parameters][outputs]. */
  private static double[][] outputs(double[] at, double[] x) {
    int second = HIDDEN * IN + HIDDEN;
    double[][] all = new double[1 + at.length][OUT];
    double[] hidden = new double[HIDDEN];
    for (int h = 0; h < HIDDEN; h++) {
      hidden[h] = at[HIDDEN * IN + h];
      for (int i = 0; i < IN; i++) {
        hidden[h] += at[h * IN + i] * x[i];
      }
    }
    for (int c = 0; c < OUT; c++) {
      all[0][c] = at[second + OUT * HIDDEN + c];
      all[1 + second + OUT * HIDDEN + c][c] = 1;
      for (int h = 0; h < HIDDEN; h++) {
        if (hidden[h] > 0) {
          double w = at[second + c * HIDDEN + h];
          all[0][c] += w * hidden[h];
          all[1 + second + c * HIDDEN + h][c] = hidden[h];
          all[1 + HIDDEN * IN + h][c] = w;
          for (int i = 0; i < IN; i++) {
            all[1 + h * IN + i][c] = w * x[i];
          }
        }
      }
    }
    return all;
  }

  private static double[] softmax(double[] z) {
    double[] p = Arrays.stream(z).map(Math::exp).toArray();
    double sum = Arrays.stream(p).sum();
    return Arrays.stream(p).map(v -> v / sum).toArray();
  }

  /** J (p − target), added to out. */
  private static void pull(double[][] outputs, double[] target, double weight, double[] out) {
    double[] p = softmax(outputs[0]);
    for (int k = 0; k < out.length; k++) {
      for (int c = 0; c < OUT; c++) {
        out[k] += weight * outputs[1 + k][c] * (p[c] - target[c]);
      }
    }
  }

  private static double[] unit(int label) {
    double[] unit = new double[OUT];
    unit[label] = 1;
    return unit;
  }

  /** Jᵀ(diag p − ppᵀ)J / N + λI. */
  private static double[][] matrix(double[] at) {
    double[][] g = new double[at.length][at.length + 1];
    for (double[] x : inputs) {
      double[][] f = outputs(at, x);
      double[] p = softmax(f[0]);
      for (int i = 0; i < at.length; i++) {
        double mean = 0;
        for (int c = 0; c < OUT; c++) {
          mean += p[c] * f[1 + i][c];
        }
        for (int j = 0; j < at.length; j++) {
          for (int c = 0; c < OUT; c++) {
            g[i][j] += p[c] * (f[1 + i][c] - mean) * f[1 + j][c] / inputs.length;
          }
        }
      }
    }
    for (int i = 0; i < at.length; i++) {
      g[i][i] += DAMPING;
    }
    return g;
  }

  private static double[] solve(double[][] rows, double[] right) {
    int size = right.length;
    for (int i = 0; i < size; i++) {
      rows[i][size] = right[i];
    }
    for (int k = 0; k < size; k++) {
      for (int i = 0; i < size; i++) {
        double factor = i == k ? 0 : rows[i][k] / rows[k][k];
        for (int j = k; j <= size; j++) {
          rows[i][j] -= factor * rows[k][j];
        }
      }
    }
    double[] x = new double[size];
    for (int i = 0; i < size; i++) {
      x[i] = rows[i][size] / rows[i][i];
    }
    return x;
  }

  private static double[] lossGradient(int example) {
    double[] gradient = new double[theta.length];
    pull(outputs(theta, inputs[example]), unit(DATA.label(example)), 1, gradient);
    return gradient;
  }

  /** r(ε) in float64, by Newton's method until nothing changes. */
  private static double[] response(int example, double epsilon) {
    double[] at = theta.clone();
    for (int step = 0; step < 30; step++) {
      double[] gradient = new double[at.length];
      for (double[] x : inputs) {
        pull(outputs(at, x), softmax(outputs(theta, x)[0]), 1.0 / inputs.length, gradient);
      }
      pull(outputs(at, inputs[example]), unit(DATA.label(example)), epsilon, gradient);
      for (int i = 0; i < at.length; i++) {
        gradient[i] += DAMPING * (at[i] - theta[i]);
      }
      double[] move = solve(matrix(at), gradient);
      for (int i = 0; i < at.length; i++) {
        at[i] -= move[i];
      }
    }
    return at;
  }

  private static void assertRelative(double[] expected, double[] actual, double relative) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertTrue(largest > 0);
    assertArrayEquals(expected, actual, relative * largest);
  }

  @Test
  void theResponsesDerivativeIsTheDampedInfluence() {
    double[] exact = solve(matrix(theta), lossGradient(3));
    double step = 1e-4;
    double[] up = response(3, step);
    double[] down = response(3, -step);
    double[] slope = new double[theta.length];
    Arrays.setAll(slope, i -> (down[i] - up[i]) / (2 * step));
    // The central difference is wrong by a third derivative times 10⁻⁸.
    assertRelative(exact, slope, 1e-6);
  }

  @Test
  void conjugateGradientsSolveTheDenseSystem() {
    double[] right = lossGradient(5);
    try (Arena arena = Arena.ofConfined()) {
      Parameters x = model.parameters().zerosLike(arena);
      for (int i = 0; i < right.length; i++) {
        x.flat().set(i, (float) right[i]);
      }
      new GaussNewton(model, backend, DATA, NONE, 7).solve(x, DAMPING, 200, 1e-7);
      assertRelative(solve(matrix(theta), right), doubles(x), 1e-4);
    }
  }

  @Test
  void theLibrarysResponseIsTheDenseOne() {
    for (double epsilon : new double[] {0.01, -0.01}) {
      double[] exact = response(3, epsilon);
      try (Model found =
          BregmanResponse.of(
              model,
              backend,
              DATA,
              NONE,
              DATA.part(3, 4),
              epsilon,
              BregmanResponse.Options.of(DAMPING))) {
        double[] moved = doubles(found.parameters());
        double[] wanted = new double[theta.length];
        Arrays.setAll(wanted, i -> exact[i] - theta[i]);
        Arrays.setAll(moved, i -> moved[i] - theta[i]);
        assertRelative(wanted, moved, 1e-3);
      }
    }
    assertArrayEquals(theta, doubles(model.parameters()));
    assertThrows(IllegalArgumentException.class, () -> BregmanResponse.Options.of(0));
  }
}
