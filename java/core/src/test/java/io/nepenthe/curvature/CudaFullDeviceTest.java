package io.nepenthe.curvature;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.FullDevice;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever does not fit on a device leaves nothing there, wherever it failed. */
class CudaFullDeviceTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData TRAINING = CurvatureNets.data(5);
  private static final TinyData QUERIES = new TinyData(3, CurvatureNets.IMAGE, 3, 77, 500);
  private static final FactorOptions FACTORS =
      FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(4);
  private static final Influence.Options SCORES =
      Influence.Options.defaults().withBatchSize(4).withBlocks();

  private static Model model;
  private static KroneckerFactors factors;
  private static EkFac ekfac;
  private static InverseCurvature inverse;

  @BeforeAll
  static void compute() {
    model = Model.initialise(CurvatureNets.all(), 3);
    try (Backend cpu = Device.cpu(1).open()) {
      factors = KroneckerFactors.of(model, cpu, TRAINING, PLAIN, FACTORS, Progress.NONE);
      ekfac = EkFac.of(factors, model, cpu, TRAINING, PLAIN, Progress.NONE);
      inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
    }
  }

  @AfterAll
  static void release() {
    inverse.close();
    ekfac.close();
    factors.close();
    model.close();
  }

  static Stream<Named<Consumer<Backend>>> works() {
    return Stream.of(
        named("exact Fisher", backend -> fisher(backend, Labels.EXACT)),
        named("Fisher of sampled labels", backend -> fisher(backend, Labels.SAMPLED)),
        named(
            "factors",
            backend ->
                KroneckerFactors.of(model, backend, TRAINING, PLAIN, FACTORS, Progress.NONE)
                    .close()),
        named(
            "eigenvalues",
            backend -> EkFac.of(factors, model, backend, TRAINING, PLAIN, Progress.NONE).close()),
        named("scores of pairs", backend -> pairs(backend, SCORES)),
        named("scores of queries of low rank", backend -> pairs(backend, SCORES.withQueryRank(2))),
        named(
            "self scores",
            backend ->
                Influence.self(model, backend, inverse, TRAINING, PLAIN, SCORES, Progress.NONE)
                    .close()),
        named("aggregated", CudaFullDeviceTest::aggregated));
  }

  private static Named<Consumer<Backend>> named(String name, Consumer<Backend> work) {
    return Named.of(name, work);
  }

  private static void fisher(Backend backend, Labels labels) {
    FisherDiagonal.Options options =
        FisherDiagonal.Options.defaults().withLabels(labels).withBatchSize(4);
    FisherDiagonal.of(model, backend, TRAINING, PLAIN, options, Progress.NONE).close();
  }

  private static void pairs(Backend backend, Influence.Options options) {
    Influence.pairwise(
            model,
            backend,
            inverse,
            QUERIES,
            Measurement.LOSS,
            TRAINING,
            PLAIN,
            options,
            Progress.NONE)
        .close();
  }

  private static void aggregated(Backend backend) {
    try (Queries queries =
        Queries.of(model, backend, inverse, QUERIES, PLAIN, Measurement.LOSS, 4, Progress.NONE)) {
      Influence.aggregated(model, backend, queries, TRAINING, PLAIN, 4, Progress.NONE);
    }
  }

  @ParameterizedTest
  @MethodSource("works")
  void aFullDeviceIsLeftAsItWas(Consumer<Backend> work) {
    FullDevice.leavesNothingBehind(work);
  }
}
