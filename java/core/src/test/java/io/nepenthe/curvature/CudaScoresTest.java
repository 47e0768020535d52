package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What passes for factors and scores copy, and the scores of layers that are used several times, on
 * a CUDA device, emulated unless -Dnepenthe.gpu=required.
 */
@EmulatedGpu(checked = false)
class CudaScoresTest {
  private static final int BATCH = 4;
  private static final int QUERIES = 3;
  private static final Normalisation PLAIN = Normalisation.identity(2);

  /** Sums of at most some thousand terms in float32, relative to the largest score. */
  private static final double BOUND = 2e-5;

  @TempDir private Path folder;

  /** A curvature, which decides where gradients themselves are needed. */
  private enum Curvature {
    IDENTITY,
    DIAGONAL,
    EKFAC,
    SPLIT_BIAS
  }

  /** What is computed from it. */
  private interface Scores {
    InfluenceScores of(Model model, Backend backend, InverseCurvature inverse, TinyData data);
  }

  private record Case(String name, Network network, Curvature curvature, Scores scores) {
    @Override
    public String toString() {
      return name + " " + curvature;
    }

    InfluenceScores run(Model model, Backend backend, TinyData data) {
      try (Backend cpu = Device.cpu(1).open();
          KroneckerFactors factors = factors(model, cpu);
          EkFac ekfac = EkFac.of(factors, model, cpu, TRAINING, PLAIN, Progress.NONE);
          InverseCurvature inverse = inverse(model, ekfac)) {
        return scores.of(model, backend, inverse, data);
      }
    }

    private KroneckerFactors factors(Model model, Backend cpu) {
      FactorOptions options = FactorOptions.defaults();
      options = curvature == Curvature.SPLIT_BIAS ? options.withSeparateBias() : options;
      return KroneckerFactors.of(model, cpu, TRAINING, PLAIN, options, Progress.NONE);
    }

    private InverseCurvature inverse(Model model, EkFac ekfac) {
      return switch (curvature) {
        case IDENTITY -> InverseCurvature.identity(model);
        case DIAGONAL -> {
          try (Model ones = model.copy()) {
            Parameters diagonal = ones.parameters();
            for (long i = 0; i < diagonal.count(); i++) {
              diagonal.flat().set(i, 1 + i % 7);
            }
            yield InverseCurvature.diagonal(model, diagonal, Damping.defaults());
          }
        }
        case EKFAC, SPLIT_BIAS -> InverseCurvature.ekfac(ekfac, Damping.defaults());
      };
    }
  }

  private static final TinyData TRAINING = CurvatureNets.data(9);
  private static final TinyData ASKED = new TinyData(QUERIES, CurvatureNets.IMAGE, 3, 77, 500);

  private static final Influence.Options OPTIONS =
      Influence.Options.defaults().withBatchSize(BATCH);

  static Stream<Case> cases() {
    return Stream.of(CurvatureNets.all(), CurvatureNets.tied())
        .flatMap(
            network ->
                Stream.of(Curvature.values())
                    .flatMap(
                        curvature ->
                            Stream.of(
                                new Case("own", network, curvature, CudaScoresTest::own),
                                new Case("pairs", network, curvature, CudaScoresTest::pairs),
                                new Case("low rank", network, curvature, CudaScoresTest::low))));
  }

  private static InfluenceScores own(
      Model model, Backend backend, InverseCurvature inverse, TinyData data) {
    return Influence.self(model, backend, inverse, data, PLAIN, OPTIONS, Progress.NONE);
  }

  private static InfluenceScores pairs(
      Model model, Backend backend, InverseCurvature inverse, TinyData data) {
    return pairs(model, backend, inverse, data, OPTIONS);
  }

  private static InfluenceScores low(
      Model model, Backend backend, InverseCurvature inverse, TinyData data) {
    Influence.Options options = OPTIONS.withQueryRank(2).withRoute(ScoreRoute.LOW_RANK);
    return pairs(model, backend, inverse, data, options);
  }

  private static InfluenceScores pairs(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      TinyData data,
      Influence.Options options) {
    return Influence.pairwise(
        model, backend, inverse, ASKED, Measurement.LOSS, data, PLAIN, options, Progress.NONE);
  }

  /** Of a batch the images and labels go to the device, and its scores come back at once. */
  @ParameterizedTest
  @MethodSource("cases")
  void aBatchBringsItsScoresBackAndNothingElse(Case some) throws Exception {
    try (Backend backend = Device.cuda(0).open();
        Model model = Model.initialise(some.network, 3)) {
      Transfers few = transfers(some, model, backend, BATCH);
      Transfers many = transfers(some, model, backend, 4 * BATCH);
      assertEquals(3, many.downs() - few.downs(), "copies from the device");
      long queries = some.name.equals("own") ? 1 : QUERIES;
      assertEquals(3 * queries * BATCH * Float.BYTES, many.bytesDown() - few.bytesDown());
      assertEquals(3 * 2, many.ups() - few.ups(), "copies to the device");
    }
  }

  /** Of a batch the images and labels go to the device; factors and corrections come at the end. */
  @Test
  void factorsAndCorrectionsBringNothingBack() throws Exception {
    for (Network network : List.of(CurvatureNets.all(), CurvatureNets.tied())) {
      try (Backend backend = Device.cuda(0).open();
          Model model = Model.initialise(network, 3)) {
        List<Transfers> few = statistics(model, backend, BATCH);
        List<Transfers> many = statistics(model, backend, 4 * BATCH);
        for (int i = 0; i < few.size(); i++) {
          assertEquals(few.get(i).downs(), many.get(i).downs(), "copies from the device");
          assertEquals(few.get(i).bytesDown(), many.get(i).bytesDown(), "bytes from the device");
          assertEquals(3 * 2, many.get(i).ups() - few.get(i).ups(), "copies to the device");
        }
      }
    }
  }

  private List<Transfers> statistics(Model model, Backend backend, int samples) throws Exception {
    TinyData data = CurvatureNets.data(samples);
    FactorOptions options = FactorOptions.defaults().withBatchSize(BATCH);
    try (Backend cpu = Device.cpu(1).open();
        KroneckerFactors factors =
            KroneckerFactors.of(model, cpu, data, PLAIN, options, Progress.NONE)) {
      return List.of(
          Transfers.of(
              folder,
              () ->
                  KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE).close()),
          Transfers.of(
              folder, () -> EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE).close()));
    }
  }

  /** A gradient of all samples together comes at the end. */
  @Test
  void sumsOfGradientsBringNothingBack() throws Exception {
    try (Backend backend = Device.cuda(0).open();
        Model model = Model.initialise(CurvatureNets.all(), 3);
        Model sum = Model.zeros(CurvatureNets.all())) {
      Transfers few = summed(model, backend, sum, BATCH);
      Transfers many = summed(model, backend, sum, 4 * BATCH);
      assertEquals(1, few.downs(), "copies from the device");
      assertEquals(1, many.downs(), "copies from the device");
      assertEquals(3 * 2, many.ups() - few.ups(), "copies to the device");
    }
  }

  private Transfers summed(Model model, Backend backend, Model sum, int samples) throws Exception {
    TinyData data = CurvatureNets.data(samples);
    return Transfers.of(
        folder,
        () ->
            SummedGradient.of(model, backend, data, PLAIN, BATCH, Progress.NONE, sum.parameters()));
  }

  /** Queries are preconditioned on the device, a block's together. */
  @Test
  void moreQueriesTakeNoMoreCopies() throws Exception {
    Case some = new Case("", CurvatureNets.all(), Curvature.EKFAC, CudaScoresTest::own);
    try (Backend backend = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(CurvatureNets.all(), 3);
        KroneckerFactors factors = some.factors(model, cpu);
        EkFac ekfac = EkFac.of(factors, model, cpu, TRAINING, PLAIN, Progress.NONE);
        InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
        Arena arena = Arena.ofConfined()) {
      for (ParameterBlock block : inverse.blocks()) {
        Transfers[] found = new Transfers[2];
        for (int i = 0; i < 2; i++) {
          Shape shape = EkFac.shape(block);
          Tensor queries = Tensor.zeros(arena, 2 + 3 * i, shape.size(0), shape.size(1));
          found[i] = Transfers.of(folder, () -> inverse.apply(backend, block, queries));
        }
        assertEquals(found[0].ups(), found[1].ups(), block.name());
        assertEquals(found[0].downs(), found[1].downs(), block.name());
        assertEquals(block.isDiagonal() ? 0 : 1, found[1].downs(), block.name());
      }
    }
  }

  /** Batches of derivatives of the outputs, which have a size of their own. */
  private static final int DERIVATIVES = 64;

  /** A product with the Gauss–Newton matrix, or what takes one, of some samples. */
  private interface Product {
    void run(Model model, Backend backend, TinyData data, Parameters direction);
  }

  private static void derivative(Model model, Backend backend, TinyData data, Parameters v) {
    try (Arena arena = Arena.ofConfined()) {
      OutputDerivative.of(arena, model, backend, data, PLAIN, v);
    }
  }

  private static void gaussNewton(Model model, Backend backend, TinyData data, Parameters v) {
    try (Model product = model.copy()) {
      new GaussNewton(model, backend, data, PLAIN, DERIVATIVES).multiply(v, product.parameters());
    }
  }

  private static void bregman(Model model, Backend backend, TinyData data, Parameters v) {
    BregmanResponse.Options options = new BregmanResponse.Options(0.1, 1, 1, DERIVATIVES);
    BregmanResponse.of(model, backend, data, PLAIN, ASKED, 0.01, options).close();
  }

  /** Of a batch come back the products of its samples' derivatives with v, once. */
  @Test
  void productsBringNoOutputsBack() throws Exception {
    int outputs = CurvatureNets.CLASSES;
    for (Product product :
        List.<Product>of(
            CudaScoresTest::derivative, CudaScoresTest::gaussNewton, CudaScoresTest::bregman)) {
      try (Backend backend = Device.cuda(0).open();
          Model model = Model.initialise(CurvatureNets.all(), 3);
          Model direction = Model.initialise(CurvatureNets.all(), 4)) {
        Transfers[] found = new Transfers[2];
        for (int i = 0; i < 2; i++) {
          TinyData data = CurvatureNets.data((1 + i) * DERIVATIVES);
          found[i] =
              Transfers.of(folder, () -> product.run(model, backend, data, direction.parameters()));
        }
        assertEquals(outputs, found[1].downs() - found[0].downs(), "copies from the device");
        long bytes = (long) outputs * DERIVATIVES * Float.BYTES;
        assertEquals(bytes, found[1].bytesDown() - found[0].bytesDown(), "bytes from the device");
      }
    }
  }

  /** The same, but for the rounding of sums and of the device's exponentials. */
  @Test
  void productsAgreeWithTheProcessors() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(CurvatureNets.all(), 3);
        Model direction = Model.initialise(CurvatureNets.all(), 4);
        Model want = model.copy();
        Model got = model.copy()) {
      new GaussNewton(model, cpu, TRAINING, PLAIN, BATCH)
          .multiply(direction.parameters(), want.parameters());
      new GaussNewton(model, cuda, TRAINING, PLAIN, BATCH)
          .multiply(direction.parameters(), got.parameters());
      assertNear(want.parameters(), got.parameters());
      BregmanResponse.Options options = new BregmanResponse.Options(0.1, 2, 3, BATCH);
      try (Model moved = BregmanResponse.of(model, cpu, TRAINING, PLAIN, ASKED, 0.01, options);
          Model other = BregmanResponse.of(model, cuda, TRAINING, PLAIN, ASKED, 0.01, options)) {
        assertNear(moved.parameters(), other.parameters());
      }
    }
  }

  private static void assertNear(Parameters want, Parameters got) {
    double largest = 0;
    for (float value : want.flat().toArray()) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0, "nothing");
    for (long i = 0; i < want.count(); i++) {
      assertEquals(want.flat().get(i), got.flat().get(i), BOUND * largest, "parameter " + i);
    }
  }

  private Transfers transfers(Case some, Model model, Backend backend, int samples)
      throws Exception {
    TinyData data = CurvatureNets.data(samples);
    return Transfers.of(folder, () -> some.run(model, backend, data).close());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheProcessor(Case some) {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(some.network, 3);
        InfluenceScores want = some.run(model, cpu, TRAINING);
        InfluenceScores got = some.run(model, cuda, TRAINING)) {
      double largest = 0;
      for (float value : want.raw().toArray()) {
        largest = Math.max(largest, Math.abs(value));
      }
      assertTrue(largest > 0, "no scores");
      for (long i = 0; i < want.raw().elements(); i++) {
        assertEquals(want.raw().get(i), got.raw().get(i), BOUND * largest, "score " + i);
      }
    }
  }
}
