package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Cases in which an approximation of the curvature is exact. */
class IdentityTest {
  private static final int SAMPLES = 6;
  private static final int POSITIONS = 4;
  private static final int INPUTS = 3;
  private static final int OUTPUTS = 2;

  /**
   * Every position has a squared error of its own on outputs that a fixed matrix M makes of the
   * layer's: of pass (t, c) only position t has a gradient, row c of M. "Expand" then is exact.
   */
  @Test
  void expandIsExactWhereEveryPositionHasALossOfItsOwn() {
    SplittableRandom random = new SplittableRandom(4);
    double[][] m = {{1.5, -0.5}, {0.25, 2}};
    double[][][] a = new double[SAMPLES][POSITIONS][INPUTS + 1];
    for (double[][] rows : a) {
      for (double[] row : rows) {
        for (int i = 0; i < INPUTS; i++) {
          row[i] = (float) random.nextDouble(-1, 1);
        }
        row[INPUTS] = 1;
      }
    }
    double[][][][] g = new double[POSITIONS * OUTPUTS][SAMPLES][POSITIONS][OUTPUTS];
    for (int pass = 0; pass < g.length; pass++) {
      for (int n = 0; n < SAMPLES; n++) {
        g[pass][n][pass / OUTPUTS] = m[pass % OUTPUTS];
      }
    }
    ReferenceBlock block = new ReferenceBlock(a, g);
    double[][] fisher = block.fisher();
    assertProduct(fisher, block.inputFactor(false), block.gradientFactor(false), 1e-12);
    assertShipped(block, fisher);
  }

  /** F = B ⊗ A, entry by entry. */
  private static void assertProduct(double[][] f, double[] a, double[] b, double relative) {
    int columns = INPUTS + 1;
    double largest = 0;
    for (double[] row : f) {
      for (double value : row) {
        largest = Math.max(largest, Math.abs(value));
      }
    }
    assertTrue(largest > 0);
    for (int i = 0; i < f.length; i++) {
      for (int j = 0; j < f.length; j++) {
        double product =
            b[i / columns * OUTPUTS + j / columns] * a[i % columns * columns + j % columns];
        assertEquals(f[i][j], product, relative * largest, i + ", " + j);
      }
    }
  }

  private static void assertShipped(ReferenceBlock block, double[][] fisher) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model =
            Model.zeros(
                Network.builder(Extent.image(1, POSITIONS, INPUTS))
                    .then(new Layer.Conv2d("layer", INPUTS, OUTPUTS, Window.square(1), true))
                    .then(new Layer.Flatten())
                    .build());
        KroneckerFactors factors = new KroneckerFactors(model, backend, FactorOptions.defaults());
        KroneckerFactors.Visitor visitor = factors.new Visitor(backend)) {
      Tensor input = Tensor.zeros(arena, SAMPLES, 1, POSITIONS, INPUTS);
      for (int i = 0; i < input.elements(); i++) {
        double[][] rows = block.a()[i / INPUTS / POSITIONS];
        input.set(i, (float) rows[i / INPUTS % POSITIONS][i % INPUTS]);
      }
      Tensor gradient = Tensor.zeros(arena, SAMPLES, 1, POSITIONS, OUTPUTS);
      for (int pass = 0; pass < block.g().length; pass++) {
        for (int i = 0; i < gradient.elements(); i++) {
          double[][] rows = block.g()[pass][i / OUTPUTS / POSITIONS];
          gradient.set(i, (float) rows[i / OUTPUTS % POSITIONS][i % OUTPUTS]);
        }
        visitor.pass(pass);
        visitor.visit(model.layers().get(0), input, gradient);
      }
      factors.count(SAMPLES);
      factors.fold();
      ParameterBlock own = factors.blocks().get(0);
      assertProduct(fisher, factors.inputFactor(own, 0), factors.gradientFactor(own, 0), 1e-5);
    }
  }

  /** Of the true labels: D[c, i] = mean (p_c − y_c)² x_i². */
  @Test
  void softmaxRegressionHasAKnownEmpiricalDiagonal() {
    TinyData data = CurvatureNets.data(25);
    try (Model model = Model.initialise(CurvatureNets.softmaxRegression(), 3);
        Backend backend = Device.cpu(2).open();
        FisherDiagonal diagonal =
            FisherDiagonal.of(
                model,
                backend,
                data,
                Normalisation.identity(2),
                FisherDiagonal.Options.defaults().withLabels(Labels.TRUE),
                Progress.NONE)) {
      Tensor weights = model.parameters().get("fc.weight").value();
      Tensor shift = model.parameters().get("fc.bias").value();
      int inputs = (int) CurvatureNets.INPUT.elements();
      double[] expected = new double[CurvatureNets.CLASSES * inputs];
      float[] x = new float[inputs];
      for (long n = 0; n < data.size(); n++) {
        data.pixels(n, MemorySegment.ofArray(x), 0);
        double[] p = new double[CurvatureNets.CLASSES];
        double total = 0;
        for (int c = 0; c < p.length; c++) {
          double z = shift.get(c);
          for (int i = 0; i < inputs; i++) {
            z += (double) weights.get((long) c * inputs + i) * x[i];
          }
          p[c] = Math.exp(z);
          total += p[c];
        }
        for (int at = 0; at < expected.length; at++) {
          double error = p[at / inputs] / total - (data.label(n) == at / inputs ? 1 : 0);
          expected[at] += Math.pow(error * x[at % inputs], 2) / data.size();
        }
      }
      double largest = 0;
      for (double value : expected) {
        largest = Math.max(largest, value);
      }
      for (int i = 0; i < expected.length; i++) {
        assertEquals(
            expected[i], diagonal.values().get("fc.weight").value().get(i), 1e-5 * largest);
      }
    }
  }
}
