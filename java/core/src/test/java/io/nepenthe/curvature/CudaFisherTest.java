package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Fisher diagonal on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
@EmulatedGpu
class CudaFisherTest {
  private static final String MEMORY = "nepenthe.cuda.emulated.memory";
  private static final String CHECKS = "nepenthe.cuda.emulated.checks";

  @TempDir private Path folder;

  @AfterAll
  static void restoreMemory() {
    System.clearProperty(MEMORY);
  }

  private static double[] fisher(Model model, FisherDiagonal.Options options) {
    try (Backend backend = Device.cuda(0).open();
        FisherDiagonal result =
            FisherDiagonal.of(
                model,
                backend,
                FisherDiagonalTest.DATA,
                FisherDiagonalTest.PLAIN,
                options,
                Progress.NONE)) {
      double[] values = new double[(int) result.values().count()];
      for (int j = 0; j < values.length; j++) {
        values[j] = result.values().flat().get(j);
      }
      return values;
    }
  }

  @Test
  void agreesWithSingleSamplesAlsoInBatchesThatADeviceHasRoomFor() {
    try (Model model = Model.initialise(FisherDiagonalTest.network(), 1)) {
      double[] expected =
          SingleSamples.meanSquares(
              model,
              FisherDiagonalTest.DATA,
              FisherDiagonalTest.PLAIN,
              (p, label, c) -> p[c] - (c == label ? 1 : 0));
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      SingleSamples.assertClose(expected, fisher(model, options), 1e-5);
      System.setProperty(MEMORY, Long.toString(640 << 10));
      SingleSamples.assertClose(expected, fisher(model, options.withBatchSize(1000)), 1e-5);
      System.clearProperty(MEMORY);
    }
  }

  @Test
  void tiedLayersAgreeWithSingleSamples() {
    try (Model model = Model.initialise(CurvatureNets.tied(), 1)) {
      double[] expected =
          SingleSamples.meanSquares(
              model,
              FisherDiagonalTest.DATA,
              FisherDiagonalTest.PLAIN,
              (p, label, c) -> p[c] - (c == label ? 1 : 0));
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      SingleSamples.assertClose(expected, fisher(model, options), 1e-5);
    }
  }

  /** However many samples' gradients are formed at once. */
  @Test
  void theBitsOfTiedLayersDoNotDependOnWhatIsFormedAtOnce() {
    try (Backend backend = Device.cuda(0).open();
        Model model = Model.initialise(CurvatureNets.tied(), 1);
        Arena arena = Arena.ofConfined()) {
      for (String name : List.of("conv", "norm", "fc")) {
        List<ParametricLayer> uses =
            model.layers().stream().filter(use -> use.layer().name().equals(name)).toList();
        float[] whole = squares(backend, arena, uses, 1L << 20);
        assertArrayEquals(whole, squares(backend, arena, uses, 1));
        assertArrayEquals(whole, squares(backend, arena, uses, 300));
        assertTrue(whole[0] > 0);
      }
    }
  }

  private static float[] squares(
      Backend backend, Arena arena, List<ParametricLayer> uses, long floats) {
    DriftFreeSum weight = sum(backend, arena, uses.get(0).weight());
    DriftFreeSum bias = sum(backend, arena, uses.get(0).bias().orElseThrow());
    try (DeviceTiedLayer tied =
        new DeviceTiedLayer(uses.get(0), backend, weight, Optional.of(bias))) {
      tied.atOnce(floats);
      boolean vectors = uses.get(0).layer() instanceof Layer.Linear;
      Shape shape = vectors ? Shape.of(7, 5) : Shape.of(7, 3, 2, 4);
      for (ParametricLayer use : uses) {
        int seed = 10 * use.use();
        tied.visit(use, values(backend, arena, shape, seed), values(backend, arena, shape, ++seed));
      }
    }
    Tensor total = Tensor.zeros(arena, weight.shape());
    total.copyFrom(weight.rest()); // of so few samples nothing was folded into the sum
    return total.toArray();
  }

  private static DriftFreeSum sum(Backend backend, Arena arena, Parameters.Parameter of) {
    Shape shape = of.spec().shape();
    return DriftFreeSum.of(backend.zeros(arena, shape), backend.zeros(arena, shape));
  }

  private static Tensor values(Backend backend, Arena arena, Shape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Tensor here = Tensor.zeros(arena, shape);
    for (long i = 0; i < here.elements(); i++) {
      here.set(i, (float) random.nextGaussian());
    }
    Tensor there = backend.zeros(arena, shape);
    there.copyFrom(here);
    return there;
  }

  /** Bytes of images and labels go to a device; until the end nothing comes back. */
  @Test
  void aBatchBringsNothingBack() throws Exception {
    System.setProperty(CHECKS, "false");
    count(Transfers.network(10));
    Layer.Conv2d twice = new Layer.Conv2d("twice", 1, 1, Window.square(5).withStride(4), true);
    Layer.BatchNorm2d norm = new Layer.BatchNorm2d("norm", 1);
    Layer.Linear head = new Layer.Linear("head", 10, 10, true);
    count(
        Network.builder(Extent.image(Glyphs.SIDE, Glyphs.SIDE, 1))
            .then(twice)
            .then(norm)
            .then(twice)
            .then(norm)
            .then(new Layer.Flatten())
            .then(new Layer.Linear("middle", 1, 10, true))
            .then(head)
            .then(new Layer.Relu())
            .then(head)
            .build());
    System.clearProperty(CHECKS);
  }

  private void count(Network network) throws Exception {
    try (Backend backend = Device.cuda(0).open();
        Model model = Model.initialise(network, 1)) {
      int batch = backend.atOnce(1);
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults().withBatchSize(batch);
      for (Labels labels : new Labels[] {Labels.TRUE, Labels.EXACT, Labels.SAMPLED}) {
        Transfers few = transfers(model, backend, options.withLabels(labels), batch);
        Transfers many = transfers(model, backend, options.withLabels(labels), 4 * batch);
        // Of three batches more: images, their table of values, and labels or draws.
        long label = labels == Labels.TRUE ? 4 : labels == Labels.SAMPLED ? 8 : 0;
        long up = 3 * ((long) batch * (Glyphs.SIDE * Glyphs.SIDE + label) + 4 * 256);
        assertEquals(up, many.bytesUp() - few.bytesUp(), "bytes to the device, " + labels);
        assertEquals(few.bytesDown(), many.bytesDown(), "bytes from the device, " + labels);
        assertEquals(few.downs(), many.downs(), "copies from the device, " + labels);
      }
    }
  }

  private Transfers transfers(
      Model model, Backend backend, FisherDiagonal.Options options, int samples) throws Exception {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, samples, 1);
    Normalisation pixels = Normalisation.identity(1);
    return Transfers.of(
        folder,
        () -> FisherDiagonal.of(model, backend, data, pixels, options, Progress.NONE).close());
  }

  @Test
  void predictionsFollowTheModel() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(FisherDiagonalTest.network(), 1);
        Predictor onDevice = new Predictor(model, cuda, 8);
        Predictor onHost = new Predictor(model, cpu, 8)) {
      for (int change = 0; change < 2; change++) {
        var want = onHost.evaluate(FisherDiagonalTest.DATA, FisherDiagonalTest.PLAIN);
        var got = onDevice.evaluate(FisherDiagonalTest.DATA, FisherDiagonalTest.PLAIN);
        assertEquals(want.meanLoss(), got.meanLoss(), 1e-5 * want.meanLoss());
        assertTrue(want.samples() == got.samples());
        model.parameters().flat().set(0, 3);
      }
    }
  }
}
