package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Kronecker factors, eigenvalue corrections and influence scores on a CUDA device, emulated unless
 * -Dnepenthe.gpu=required, agree with the processor's: of every kind of block.
 */
@EmulatedGpu
class CudaInfluenceTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData TRAINING = CurvatureNets.data(9);
  private static final TinyData QUERIES = new TinyData(3, CurvatureNets.IMAGE, 3, 77, 500);

  /** Sums of at most some thousand terms in float32, relative to the largest of their kind. */
  private static final double BOUND = 2e-5;

  private static Model model;
  private static Backend cpu;
  private static Backend cuda;
  private static KroneckerFactors factors;
  private static EkFac ekfac;
  private static InverseCurvature inverse;

  @BeforeAll
  static void compute() {
    model = Model.initialise(CurvatureNets.all(), 3);
    cpu = Device.cpu(1).open();
    cuda = Device.cuda(0).open();
    factors = factors(cpu, false);
    ekfac = EkFac.of(factors, model, cpu, TRAINING, PLAIN, Progress.NONE);
    inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
  }

  @AfterAll
  static void release() {
    inverse.close();
    ekfac.close();
    factors.close();
    cuda.close();
    cpu.close();
    model.close();
  }

  private static KroneckerFactors factors(Backend backend, boolean reduce) {
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(4);
    options = reduce ? options.withReduce() : options;
    return KroneckerFactors.of(model, backend, TRAINING, PLAIN, options, Progress.NONE);
  }

  private static void assertClose(double[] want, double[] got, String what) {
    double largest = 0;
    for (double value : want) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0, what + " is zero");
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], got[i], BOUND * largest, what + " at " + i);
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  @Test
  void factorsOfBothSharings() {
    for (boolean reduce : new boolean[] {false, true}) {
      try (KroneckerFactors want = factors(cpu, reduce);
          KroneckerFactors got = factors(cuda, reduce)) {
        for (ParameterBlock block : want.blocks()) {
          for (int group = 0; !block.isDiagonal() && group < block.groups(); group++) {
            assertClose(
                want.inputFactor(block, group), got.inputFactor(block, group), block.name());
            assertClose(
                want.gradientFactor(block, group), got.gradientFactor(block, group), block.name());
          }
        }
      }
    }
  }

  @Test
  void eigenvalueCorrections() {
    try (EkFac got = EkFac.of(factors, model, cuda, TRAINING, PLAIN, Progress.NONE)) {
      for (ParameterBlock block : ekfac.blocks()) {
        assertClose(values(ekfac.eigenvalues(block)), values(got.eigenvalues(block)), block.name());
      }
    }
  }

  private static void scores(BiFunction<Backend, Influence.Options, InfluenceScores> method) {
    Influence.Options options = Influence.Options.defaults().withBatchSize(4).withBlocks();
    try (InfluenceScores want = method.apply(cpu, options);
        InfluenceScores got = method.apply(cuda, options)) {
      assertClose(values(want.raw()), values(got.raw()), "scores");
      want.blocks()
          .forEach(
              (block, scores) ->
                  assertClose(values(scores), values(got.blocks().get(block)), block));
    }
  }

  @Test
  void pairs() {
    scores(
        (backend, options) ->
            Influence.pairwise(
                model,
                backend,
                inverse,
                QUERIES,
                Measurement.LOSS,
                TRAINING,
                PLAIN,
                options,
                Progress.NONE));
  }

  @Test
  void ownScores() {
    scores(
        (backend, options) ->
            Influence.self(model, backend, inverse, TRAINING, PLAIN, options, Progress.NONE));
  }
}
