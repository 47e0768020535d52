package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Ridge regression, where the exact change of the parameters when an example is left out is known:
 * θ₋ⱼ − θ = H⁻¹∇ℓⱼ/(1 − hⱼ) with H = XᵀX + λI and hⱼ = xⱼᵀH⁻¹xⱼ.
 */
class LeaveOneOutTest {
  private static final int N = 120;
  private static final int FEATURES = 85;
  private static final int CLASSES = 3;
  private static final double RIDGE = 3;
  private static final TinyData DATA = CurvatureNets.data(N);
  private static final Normalisation PLAIN = Normalisation.identity(2);

  /** Rows x with the bias feature, and one-hot targets. */
  private static double[][] rows() {
    double[][] rows = new double[N][FEATURES];
    try (Arena arena = Arena.ofConfined()) {
      Tensor image = Tensor.zeros(arena, FEATURES - 1);
      for (int n = 0; n < N; n++) {
        DATA.pixels(n, image.segment(), 0);
        for (int i = 0; i < FEATURES - 1; i++) {
          rows[n][i] = image.get(i);
        }
        rows[n][FEATURES - 1] = 1;
      }
    }
    return rows;
  }

  /** The ridge solution without one example; −1 for all. Gauss-Jordan in float64. */
  private static double[][] solve(double[][] rows, int without) {
    double[][] system = new double[FEATURES][FEATURES + CLASSES];
    for (int i = 0; i < FEATURES; i++) {
      system[i][i] = RIDGE;
    }
    for (int n = 0; n < N; n++) {
      if (n != without) {
        for (int i = 0; i < FEATURES; i++) {
          for (int j = 0; j < FEATURES; j++) {
            system[i][j] += rows[n][i] * rows[n][j];
          }
          system[i][FEATURES + DATA.label(n)] += rows[n][i];
        }
      }
    }
    for (int k = 0; k < FEATURES; k++) {
      double pivot = system[k][k];
      for (int j = k; j < FEATURES + CLASSES; j++) {
        system[k][j] /= pivot;
      }
      for (int i = 0; i < FEATURES; i++) {
        double factor = i == k ? 0 : system[i][k];
        for (int j = k; factor != 0 && j < FEATURES + CLASSES; j++) {
          system[i][j] -= factor * system[k][j];
        }
      }
    }
    double[][] weights = new double[CLASSES][FEATURES];
    for (int c = 0; c < CLASSES; c++) {
      for (int i = 0; i < FEATURES; i++) {
        weights[c][i] = system[i][FEATURES + c];
      }
    }
    return weights;
  }

  private static double leverage(double[][] rows, SolveByGradient inverse, int example) {
    double[] h = inverse.apply(rows[example]);
    return ReferenceBlock.dot(h, rows[example]);
  }

  private interface SolveByGradient {
    double[] apply(double[] x);
  }

  @Test
  void theInfluenceIsTheExactChangeUpToTheLeverage() {
    double[][] rows = rows();
    double[][] whole = solve(rows, -1);
    try (Model model = Model.initialise(CurvatureNets.softmaxRegression(), 1);
        Backend backend = Device.cpu(2).open();
        Arena arena = Arena.ofConfined()) {
      ParameterBlock block = ParameterBlock.of(model, true).get(0);
      Tensor fitted = Tensor.zeros(arena, EkFac.shape(block));
      for (int at = 0; at < fitted.elements(); at++) {
        fitted.set(at, (float) whole[at / FEATURES][at % FEATURES]);
      }
      block.scatter(fitted, model.parameters());
      FactorOptions options =
          FactorOptions.defaults().withFisher(Labels.EXACT).withLikelihood(Likelihood.GAUSSIAN);
      try (KroneckerFactors factors =
              KroneckerFactors.of(model, backend, DATA, PLAIN, options, Progress.NONE);
          EkFac ekfac = EkFac.of(factors, model, backend, DATA, PLAIN, Progress.NONE);
          InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.absolute(RIDGE / N))) {
        for (int example : List.of(0, 17, 99)) {
          Parameters gradient = model.parameters().zerosLike(arena);
          Tensor g = Tensor.zeros(arena, EkFac.shape(block));
          for (int c = 0; c < CLASSES; c++) {
            double residual =
                ReferenceBlock.dot(whole[c], rows[example]) - (DATA.label(example) == c ? 1 : 0);
            for (int i = 0; i < FEATURES; i++) {
              g.set((long) c * FEATURES + i, (float) (residual * rows[example][i]));
            }
          }
          block.scatter(g, gradient);
          inverse.apply(backend, gradient);
          block.gather(gradient, g);
          double leverage = leverage(rows, x -> apply(inverse, backend, block, x), example);
          double[][] without = solve(rows, example);
          double largest = 0;
          for (int at = 0; at < g.elements(); at++) {
            double change =
                without[at / FEATURES][at % FEATURES] - whole[at / FEATURES][at % FEATURES];
            largest = Math.max(largest, Math.abs(change));
          }
          for (int at = 0; at < g.elements(); at++) {
            double change =
                without[at / FEATURES][at % FEATURES] - whole[at / FEATURES][at % FEATURES];
            assertEquals(change, g.get(at) / N / (1 - leverage), 1e-4 * largest, "weight " + at);
          }
        }
      }
    }
  }

  /** H⁻¹x, H = N·(F + λ/N): x as the gradient of the first output. */
  private static double[] apply(
      InverseCurvature inverse, Backend backend, ParameterBlock block, double[] x) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor g = Tensor.zeros(arena, 1, CLASSES, FEATURES);
      for (int i = 0; i < FEATURES; i++) {
        g.set(i, (float) x[i]);
      }
      inverse.apply(backend, block, g);
      double[] out = new double[FEATURES];
      for (int i = 0; i < FEATURES; i++) {
        out[i] = g.get(i) / N;
      }
      return out;
    }
  }
}
