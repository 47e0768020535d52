package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The shipped factors, eigenvalues and inverses against the float64 reference and identities. */
class CurvatureTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);

  /** float32 against float64, of the largest value: what the specification allows. */
  private static final double FLOAT = 1e-5;

  /** A model's factors and EK-FAC. */
  private record Fitted(Model model, Backend backend, KroneckerFactors factors, EkFac ekfac)
      implements AutoCloseable {
    static Fitted of(Network network, Dataset data, FactorOptions options) {
      return of(network, data, options, 2);
    }

    static Fitted of(Network network, Dataset data, FactorOptions options, int threads) {
      Model model = Model.initialise(network, 3);
      Backend backend = Device.cpu(threads).open();
      KroneckerFactors factors =
          KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE);
      EkFac ekfac = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE);
      return new Fitted(model, backend, factors, ekfac);
    }

    @Override
    public void close() {
      ekfac.close();
      factors.close();
      backend.close();
      model.close();
    }
  }

  private static double[] doubles(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  private static void assertClose(
      String what, double[] expected, double[] actual, double relative) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertTrue(largest > 0, what + ": the reference is zero");
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], relative * largest, what + " at " + i);
    }
  }

  private static String key(ParameterBlock block, int group) {
    return block.groups() == 1 ? block.name() : block.name() + "/" + group;
  }

  @ParameterizedTest
  @EnumSource(
      value = Labels.class,
      names = {"TRUE", "SAMPLED", "EXACT"})
  void factorsAgreeWithTheReference(Labels fisher) {
    factorsAgreeWithTheReference(fisher, CurvatureNets.all());
    factorsAgreeWithTheReference(fisher, CurvatureNets.padded());
  }

  private static void factorsAgreeWithTheReference(Labels fisher, Network network) {
    TinyData data = CurvatureNets.data(11);
    for (boolean reduce : new boolean[] {false, true}) {
      for (boolean joint : new boolean[] {false, true}) {
        FactorOptions options = FactorOptions.defaults().withFisher(fisher).withBatchSize(4);
        options = reduce ? options.withReduce() : options;
        options = joint ? options : options.withSeparateBias();
        try (Fitted fitted = Fitted.of(network, data, options)) {
          Captured captured = Captured.fisher(fitted.model, data, options, 0);
          for (ParameterBlock block : fitted.factors.blocks()) {
            if (reduce && block.layer().startsWith("tied")) {
              continue; // the reference pools over all uses together
            }
            for (int group = 0; !block.isDiagonal() && group < block.groups(); group++) {
              ReferenceBlock reference = captured.blocks.get(key(block, group));
              assertClose(
                  block + " A",
                  reference.inputFactor(reduce),
                  fitted.factors.inputFactor(block, group),
                  FLOAT);
              assertClose(
                  block + " B",
                  reference.gradientFactor(reduce),
                  fitted.factors.gradientFactor(block, group),
                  FLOAT);
            }
          }
        }
      }
    }
  }

  /** Λ in the shipped basis: the reference rotates by the very vectors that were kept. */
  @Test
  void correctedEigenvaluesAgreeInEveryOrderOfContraction() {
    correctedEigenvaluesAgree(CurvatureNets.all());
    correctedEigenvaluesAgree(CurvatureNets.padded());
  }

  private static void correctedEigenvaluesAgree(Network network) {
    TinyData data = CurvatureNets.data(11);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.TRUE).withBatchSize(4);
    for (FactorOptions some : new FactorOptions[] {options, options.withSeparateBias()}) {
      try (Fitted fitted = Fitted.of(network, data, some)) {
        Captured captured = Captured.fisher(fitted.model, data, some, 1);
        for (ParameterBlock block : fitted.ekfac.blocks()) {
          for (int group = 0; !block.isDiagonal() && group < block.groups(); group++) {
            ReferenceBlock reference = captured.blocks.get(key(block, group));
            double[] expected =
                reference.corrected(
                    ReferenceBlock.Basis.of(fitted.ekfac.bases().get(block.name()), group));
            double[] all = doubles(fitted.ekfac.eigenvalues(block));
            double[] actual =
                Arrays.copyOfRange(all, group * expected.length, (group + 1) * expected.length);
            assertClose(block + " Λ", expected, actual, FLOAT);
            // ΣΛ = ΣD = mean ‖P‖².
            double trace = Arrays.stream(reference.diagonal()).sum();
            assertEquals(1, Arrays.stream(actual).sum() / trace, FLOAT);
          }
        }
      }
    }
  }

  /** The reference's own rows: a circular padding's patches are those of an endless image. */
  @Test
  void aCircularlyPaddedConvolutionSeesTheOtherEnd() {
    TinyData data = CurvatureNets.data(3);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.TRUE);
    try (Model model = Model.initialise(CurvatureNets.padded(), 3);
        Arena arena = Arena.ofConfined()) {
      double[][][] rows = Captured.fisher(model, data, options, 0).blocks.get("first").a();
      Tensor image = Tensor.zeros(arena, 7, 6, 2);
      for (int n = 0; n < 3; n++) {
        data.pixels(n, image.segment(), 0);
        assertEquals(7 * 8, rows[n].length);
        for (int t = 0; t < rows[n].length; t++) {
          assertEquals(1, rows[n][t][18]);
          for (int j = 0; j < 18; j++) {
            int y = Math.floorMod(t / 8 - 2 + j / 6, 7);
            int x = Math.floorMod(t % 8 - 1 + j / 2 % 3, 6);
            assertEquals(image.get((y * 6L + x) * 2 + j % 2), rows[n][t][j]);
          }
        }
      }
    }
  }

  @Test
  void aDeepLinearNetworkWithSquaredErrorHasKroneckerBlocks() {
    // The Gauss-Newton block is B ⊗ A itself, so the correction corrects nothing.
    TinyData data = CurvatureNets.data(40);
    FactorOptions options =
        FactorOptions.defaults().withLikelihood(Likelihood.GAUSSIAN).withFisher(Labels.EXACT);
    assertNoCorrection(CurvatureNets.deepLinear(), data, options);
    assertNoCorrection(CurvatureNets.pooledLinear(), data, options.withReduce());
  }

  @Test
  void oneDatumHasKroneckerBlocks() {
    for (Labels fisher : new Labels[] {Labels.EXACT, Labels.TRUE}) {
      assertNoCorrection(
          CurvatureNets.mlp(6), CurvatureNets.data(1), FactorOptions.defaults().withFisher(fisher));
    }
  }

  private static void assertNoCorrection(Network network, TinyData data, FactorOptions options) {
    try (Fitted fitted = Fitted.of(network, data, options)) {
      for (ParameterBlock block : fitted.ekfac.blocks()) {
        assertClose(
            block.name(),
            doubles(fitted.ekfac.kroneckerEigenvalues(block)),
            doubles(fitted.ekfac.eigenvalues(block)),
            FLOAT);
        ReferenceBlock reference =
            Captured.fisher(fitted.model, data, options, 0).blocks.get(block.name());
        assertArrayEquals(
            new double[] {0},
            new double[] {distance(reference, options.reduce())},
            1e-12,
            block.name() + ": B ⊗ A is not the Fisher block");
      }
    }
  }

  /** ‖F − B⊗A‖/‖F‖ in float64. */
  private static double distance(ReferenceBlock block, boolean reduce) {
    double[][] f = block.fisher();
    double[] a = block.inputFactor(reduce);
    double[] b = block.gradientFactor(reduce);
    int columns = block.features();
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < f.length; i++) {
      for (int j = 0; j < f.length; j++) {
        double product =
            b[i / columns * block.outputs() + j / columns] * a[i % columns * columns + j % columns];
        difference += Math.pow(f[i][j] - product, 2);
        norm += f[i][j] * f[i][j];
      }
    }
    return Math.sqrt(difference / norm);
  }

  @Test
  void theCorrectionIsTheBestDiagonal() {
    TinyData data = CurvatureNets.data(30);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT);
    try (Model model = Model.initialise(CurvatureNets.mlp(5), 3)) {
      Captured captured = Captured.fisher(model, data, options, 0);
      for (ReferenceBlock block : captured.blocks.values()) {
        ReferenceBlock.Basis basis = block.basis(false);
        double kfac = distance(block, basis, basis.kronecker());
        double ekfac = distance(block, basis, block.corrected(basis));
        assertTrue(ekfac < kfac, ekfac + " against " + kfac);
        // Scaling a factor leaves the basis, and so Λ, as it is.
        double total = Arrays.stream(block.corrected(basis)).sum();
        assertEquals(1, total / Arrays.stream(block.diagonal()).sum(), 1e-10);
      }
    }
  }

  private static double distance(
      ReferenceBlock block, ReferenceBlock.Basis basis, double[] eigenvalues) {
    double[][] f = block.fisher();
    double sum = 0;
    for (int j = 0; j < f.length; j++) {
      double[] unit = new double[f.length];
      unit[j] = 1;
      double[] rotated = basis.rotate(unit, false);
      for (int i = 0; i < rotated.length; i++) {
        rotated[i] *= eigenvalues[i];
      }
      double[] column = basis.rotate(rotated, true);
      for (int i = 0; i < f.length; i++) {
        sum += Math.pow(f[i][j] - column[i], 2);
      }
    }
    return Math.sqrt(sum);
  }

  @Test
  void softmaxRegressionHasAKnownDiagonal() {
    TinyData data = CurvatureNets.data(25);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT);
    try (Model model = Model.initialise(CurvatureNets.softmaxRegression(), 3)) {
      Captured captured = Captured.fisher(model, data, options, 0);
      ReferenceBlock block = captured.blocks.get("fc");
      double[] expected = new double[CurvatureNets.CLASSES * 85];
      try (Arena arena = Arena.ofConfined();
          Backend backend = Device.cpu(1).open();
          Execution execution = new Execution(model, backend, 25, Mode.INFERENCE)) {
        OutputGradients gradients =
            new OutputGradients(Likelihood.CATEGORICAL, CurvatureNets.CLASSES);
        Tensor input = Tensor.zeros(arena, 25, 7, 6, 2);
        for (int n = 0; n < 25; n++) {
          data.pixels(n, input.segment(), n * 84L);
        }
        Tensor logits = execution.forward(input);
        for (int n = 0; n < 25; n++) {
          double[] p = gradients.softmax(logits, n);
          for (int at = 0; at < expected.length; at++) {
            double x = block.a()[n][0][at % 85];
            expected[at] += p[at / 85] * (1 - p[at / 85]) * x * x / 25;
          }
        }
      }
      assertClose("D", expected, block.diagonal(), 1e-6);
    }
  }

  @Test
  void sampleGradientsAreThoseOfTheTrainingPath() {
    sampleGradientsAreThoseOfTheTrainingPath(CurvatureNets.all());
    sampleGradientsAreThoseOfTheTrainingPath(CurvatureNets.padded());
  }

  private static void sampleGradientsAreThoseOfTheTrainingPath(Network network) {
    TinyData data = CurvatureNets.data(5);
    try (Model model = Model.initialise(network, 3);
        Backend backend = Device.cpu(2).open();
        Arena arena = Arena.ofConfined()) {
      Map<String, Tensor> out = new LinkedHashMap<>();
      for (ParameterBlock block : ParameterBlock.of(model, true)) {
        var shape = EkFac.shape(block);
        out.put(block.name(), Tensor.zeros(arena, 5, shape.size(0), shape.size(1)));
      }
      try (SampleBlockGradients writer =
          new SampleBlockGradients(backend, ParameterBlock.of(model, true), out)) {
        Influence.losses(
            model,
            backend,
            data,
            PLAIN,
            5,
            Progress.NONE,
            (first, n) -> {
              writer.first(first);
              return writer;
            });
      }
      Parameters one = model.parameters().zerosLike(arena);
      for (long n = 0; n < 5; n++) {
        for (ParameterBlock block : ParameterBlock.of(model, true)) {
          var shape = EkFac.shape(block);
          block.scatter(out.get(block.name()).slice(n * shape.elements(), shape), one);
        }
        try (GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
          Influence.losses(
              model,
              backend,
              data.part(n, n + 1),
              PLAIN,
              1,
              Progress.NONE,
              (first, count) -> gradient);
          assertClose(
              "sample " + n, doubles(gradient.gradient().flat()), doubles(one.flat()), FLOAT);
        }
      }
    }
  }

  @Test
  void theDampedInverseUndoesTheDampedCurvature() {
    TinyData data = CurvatureNets.data(20);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT);
    try (Fitted fitted = Fitted.of(CurvatureNets.mlp(6), data, options);
        Arena arena = Arena.ofConfined();
        InverseCurvature inverse = InverseCurvature.ekfac(fitted.ekfac, Damping.absolute(0.01));
        InverseCurvature factored =
            InverseCurvature.kfacFactored(fitted.ekfac, Damping.absolute(0.01));
        InverseCurvature large = InverseCurvature.ekfac(fitted.ekfac, Damping.absolute(1e6))) {
      Parameters gradient = fitted.model.parameters().zerosLike(arena);
      for (long i = 0; i < gradient.count(); i++) {
        gradient.flat().set(i, (float) Math.sin(i));
      }
      double[] before = doubles(gradient.flat());
      inverse.apply(fitted.backend, gradient);
      for (ParameterBlock block : fitted.ekfac.blocks()) {
        Tensor part = Tensor.zeros(arena, EkFac.shape(block));
        block.gather(gradient, part);
        double[] rotated =
            ReferenceBlock.Basis.of(fitted.ekfac.bases().get(block.name()), 0)
                .rotate(doubles(part), false);
        double[] lambda = doubles(fitted.ekfac.eigenvalues(block));
        for (int i = 0; i < rotated.length; i++) {
          rotated[i] *= lambda[i] + 0.01;
        }
        double[] back =
            ReferenceBlock.Basis.of(fitted.ekfac.bases().get(block.name()), 0)
                .rotate(rotated, true);
        for (int i = 0; i < back.length; i++) {
          part.set(i, (float) back[i]);
        }
        block.scatter(part, gradient);
      }
      assertClose("(H + λ)H⁻¹", before, doubles(gradient.flat()), 5 * FLOAT);
      // λ → ∞ leaves λ⁻¹ of the identity.
      large.apply(fitted.backend, gradient);
      assertClose(
          "large λ", before, ReferenceBlock.scaled(doubles(gradient.flat()), 1e6), 6 * FLOAT);
      assertFactored(fitted, factored);
    }
  }

  /** The factored damping against dense inverses of (B + √λ/π I) ⊗ (A + π√λ I). */
  private static void assertFactored(Fitted fitted, InverseCurvature factored) {
    for (ParameterBlock block : fitted.ekfac.blocks()) {
      double[] a = fitted.factors.inputFactor(block, 0);
      double[] b = fitted.factors.gradientFactor(block, 0);
      int columns = (int) block.columns();
      int outputs = (int) block.outputs();
      double traceA = 0;
      double traceB = 0;
      for (int i = 0; i < columns; i++) {
        traceA += a[i * columns + i] / columns;
      }
      for (int o = 0; o < outputs; o++) {
        traceB += b[o * outputs + o] / outputs;
      }
      double pi = Math.sqrt(traceA / traceB);
      ReferenceBlock.Basis basis =
          ReferenceBlock.Basis.of(fitted.ekfac.bases().get(block.name()), 0);
      double[] p = new double[outputs * columns];
      for (int i = 0; i < p.length; i++) {
        p[i] = Math.cos(i);
      }
      try (Arena arena = Arena.ofConfined()) {
        Tensor values = Tensor.zeros(arena, 1, outputs, columns);
        for (int i = 0; i < p.length; i++) {
          values.set(i, (float) p[i]);
        }
        factored.apply(fitted.backend, block, values);
        // Multiply back by both damped factors: (B + ·)·X·(A + ·) must be p.
        double[] x = doubles(values);
        double[] product = new double[p.length];
        for (int o = 0; o < outputs; o++) {
          for (int i = 0; i < columns; i++) {
            for (int k = 0; k < outputs; k++) {
              double left = b[o * outputs + k] + (k == o ? 0.1 / pi : 0);
              for (int j = 0; j < columns; j++) {
                double right = a[j * columns + i] + (i == j ? 0.1 * pi : 0);
                product[o * columns + i] += left * x[k * columns + j] * right;
              }
            }
          }
        }
        assertClose(block.name() + " factored", p, product, 20 * FLOAT);
        assertTrue(basis.input().size() == columns);
      }
    }
  }

  @Test
  void dampingIsRefusedWhereThereIsNoInverse() {
    try (Fitted fitted =
        Fitted.of(
            CurvatureNets.mlp(6),
            CurvatureNets.data(2),
            FactorOptions.defaults().withFisher(Labels.TRUE))) {
      assertThrows(
          IllegalArgumentException.class,
          () -> InverseCurvature.kfac(fitted.ekfac, Damping.absolute(0)));
      assertThrows(IllegalArgumentException.class, () -> Damping.absolute(-1));
      ParameterBlock block = fitted.ekfac.blocks().get(0);
      double[] lambda = doubles(fitted.ekfac.eigenvalues(block));
      assertEquals(
          0.1 * ReferenceBlock.mean(lambda),
          Damping.defaults().of(block.name(), fitted.ekfac.eigenvalues(block)),
          1e-9);
      assertEquals(
          7,
          new Damping(0.1, 3, Map.of(block.name(), 7.0))
              .of(block.name(), fitted.ekfac.eigenvalues(block)));
    }
  }

  @Test
  void sampledLabelsDependOnNothingButTheSample() {
    TinyData data = CurvatureNets.data(70);
    float[][] bits = new float[4][];
    int[][] runs = {{1, 1}, {7, 2}, {64, 1}, {70, 3}};
    for (int i = 0; i < runs.length; i++) {
      FactorOptions options =
          FactorOptions.defaults().withDraws(2).withSeed(9).withBatchSize(runs[i][0]);
      try (Fitted fitted = Fitted.of(CurvatureNets.mlp(5), data, options, runs[i][1])) {
        ParameterBlock block = fitted.ekfac.blocks().get(1);
        bits[i] = new float[(int) block.outputs() * (int) block.outputs()];
        double[] factor = fitted.factors.gradientFactor(block, 0);
        for (int j = 0; j < factor.length; j++) {
          bits[i][j] = (float) factor[j];
        }
      }
    }
    // Forward passes of different batch sizes differ in their last bits; the draws do not.
    for (float[] other : bits) {
      for (int j = 0; j < other.length; j++) {
        assertEquals(bits[0][j], other[j], 1e-6 * Math.abs(bits[0][0]));
      }
    }
  }

  @Test
  void sampledLabelsEstimateTheFisherInformation() {
    // The error falls as the square root of the draws.
    TinyData data = CurvatureNets.data(30);
    try (Fitted exact =
        Fitted.of(CurvatureNets.mlp(5), data, FactorOptions.defaults().withFisher(Labels.EXACT))) {
      ParameterBlock block = exact.factors.blocks().get(1);
      double[] truth = exact.factors.gradientFactor(block, 0);
      double[] error = new double[2];
      int[] draws = {4, 400};
      for (int i = 0; i < 2; i++) {
        for (int seed = 0; seed < 4; seed++) {
          try (Fitted sampled =
              Fitted.of(
                  CurvatureNets.mlp(5),
                  data,
                  FactorOptions.defaults().withDraws(draws[i]).withSeed(seed))) {
            double[] found = sampled.factors.gradientFactor(block, 0);
            for (int j = 0; j < truth.length; j++) {
              error[i] += Math.pow(found[j] - truth[j], 2);
            }
          }
        }
      }
      double ratio = Math.sqrt(error[0] / error[1]);
      assertTrue(ratio > 4 && ratio < 25, "100 times the draws: error falls by " + ratio);
    }
  }

  /** Its text is compared with that in files of other processes. */
  @Test
  void dampingIsWrittenInOneOrderAndItsBlocksMustBeThere() {
    Map<String, Double> blocks = new HashMap<>();
    for (String name : List.of("fc3", "conv2", "a", "fc1", "conv10", "b")) {
      blocks.put(name, 1.0);
    }
    assertTrue(
        new Damping(0.1, -1, blocks).toString().contains("{a=1.0, b=1.0, conv10=1.0, conv2"),
        new Damping(0.1, -1, blocks).toString());
    try (Fitted fitted =
        Fitted.of(
            CurvatureNets.mlp(6),
            CurvatureNets.data(2),
            FactorOptions.defaults().withFisher(Labels.TRUE))) {
      String known = fitted.ekfac.blocks().getFirst().name();
      InverseCurvature.ekfac(fitted.ekfac, new Damping(0.1, -1, Map.of(known, 7.0))).close();
      Damping wrong = new Damping(0.1, -1, Map.of(known, 7.0, known + "x", 7.0));
      for (Executable refused :
          List.<Executable>of(
              () -> InverseCurvature.ekfac(fitted.ekfac, wrong),
              () -> InverseCurvature.kfac(fitted.ekfac, wrong),
              () -> InverseCurvature.kfacFactored(fitted.ekfac, wrong),
              () ->
                  InverseCurvature.kfac(
                      fitted.ekfac, wrong, KfacScaling.KRONFLUENCE, fitted.model))) {
        assertThrows(IllegalArgumentException.class, refused);
      }
    }
  }
}
