package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import org.junit.jupiter.api.Test;

class FisherDiagonalTest {
  private static final int CLASSES = 3;
  private static final ImageShape IMAGE = new ImageShape(7, 6, 2);
  static final TinyData DATA = new TinyData(37, IMAGE, CLASSES, 5, 0);
  static final Normalisation PLAIN =
      new Normalisation(new float[] {0.5f, 0.4f}, new float[] {0.3f, 0.2f});

  /** Convolutions with and without groups, batch normalisation, a tied linear layer. */
  static Network network() {
    Window three = Window.square(3).withPadding(1);
    Layer.Linear tied = new Layer.Linear("tied", 10, 10, true);
    return Network.builder(Extent.image(7, 6, 2))
        .then(new Layer.Conv2d("conv1", 2, 6, three, true))
        .then(new Layer.BatchNorm2d("norm", 6))
        .then(new Layer.Relu())
        .then(new Layer.Conv2d("conv2", 6, 4, three.withStride(2), 2, false))
        .then(new Layer.Relu())
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 48, 10, true))
        .then(tied)
        .then(new Layer.Relu())
        .then(tied)
        .then(new Layer.Linear("head", 10, CLASSES, true))
        .build();
  }

  private static double[] values(FisherDiagonal fisher) {
    double[] values = new double[Math.toIntExact(fisher.values().count())];
    for (int j = 0; j < values.length; j++) {
      values[j] = fisher.values().flat().get(j);
    }
    return values;
  }

  private static double[] fisher(
      Model model, int threads, Dataset data, FisherDiagonal.Options options) {
    try (Backend backend = Device.cpu(threads).open();
        FisherDiagonal result =
            FisherDiagonal.of(model, backend, data, PLAIN, options, Progress.NONE)) {
      assertEquals(data.size(), result.samples());
      return values(result);
    }
  }

  private static double[] bruteForce(Model model, Dataset data, SingleSamples.Cotangent cotangent) {
    return SingleSamples.meanSquares(model, data, PLAIN, cotangent);
  }

  /** One sample's squared gradient of the loss ‖logits‖². */
  private static double[] bruteForceOfLogits(Model model, Dataset data) {
    double[] squares = new double[Math.toIntExact(model.parameters().count())];
    try (Backend backend = Device.cpu(1).open();
        Execution execution = new Execution(model, backend, 1, Mode.FROZEN);
        GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
      data.pixels(0, execution.input(1).segment(), 0);
      PLAIN.apply(execution.input(1).segment(), 0, IMAGE.floats());
      Tensor logits = execution.forward(1);
      for (int c = 0; c < CLASSES; c++) {
        execution.outputGradient().set(c, 2 * logits.get(c));
      }
      execution.backward(execution.outputGradient(), gradient);
      for (int j = 0; j < squares.length; j++) {
        double g = gradient.gradient().flat().get(j);
        squares[j] = g * g;
      }
    }
    return squares;
  }

  @Test
  void trueLabelsAgreeWithSingleSamples() {
    try (Model model = Model.initialise(network(), 1)) {
      double[] expected = bruteForce(model, DATA, (p, label, c) -> p[c] - (c == label ? 1 : 0));
      SingleSamples.assertClose(
          expected, fisher(model, 2, DATA, FisherDiagonal.Options.defaults()), 1e-5);
    }
  }

  @Test
  void unitWeightingBringsEveryCotangentToLengthOne() {
    try (Model model = Model.initialise(network(), 1)) {
      double[] expected =
          bruteForce(
              model,
              DATA,
              (p, label, c) -> {
                double squares = 0;
                for (int k = 0; k < CLASSES; k++) {
                  squares += Math.pow(p[k] - (k == label ? 1 : 0), 2);
                }
                return (p[c] - (c == label ? 1 : 0)) / Math.sqrt(squares);
              });
      FisherDiagonal.Options unit = FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT);
      SingleSamples.assertClose(expected, fisher(model, 2, DATA, unit), 1e-5);
    }
  }

  @Test
  void aSampleThatTheModelIsSureOfStillHasADirection() {
    // Logits 60 apart: p(label) rounds to 1 in float64, and p - 1 to 0.
    try (Model model = Model.initialise(network(), 1)) {
      Tensor bias = model.parameters().get("head.bias").value();
      TinyData one = DATA.part(0, 1);
      bias.set(one.label(0), 60);
      int at = (int) model.parameters().get("head.bias").offset() + one.label(0);
      double[] loss = fisher(model, 1, one, FisherDiagonal.Options.defaults());
      assertTrue(loss[at] < 1e-30, "the loss gradient is all but gone");
      double[] unit =
          fisher(model, 1, one, FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT));
      assertTrue(unit[at] > 0.5, "unit weighting found " + unit[at]);
    }
  }

  @Test
  void exactLabelsAreTheWeightedSumOverClasses() {
    try (Model model = Model.initialise(network(), 2)) {
      double[] expected = new double[Math.toIntExact(model.parameters().count())];
      for (int y = 0; y < CLASSES; y++) {
        int drawn = y;
        double[] part =
            bruteForce(
                model, DATA, (p, label, c) -> Math.sqrt(p[drawn]) * (p[c] - (c == drawn ? 1 : 0)));
        for (int j = 0; j < expected.length; j++) {
          expected[j] += part[j];
        }
      }
      FisherDiagonal.Options exact = FisherDiagonal.Options.defaults().withLabels(Labels.EXACT);
      SingleSamples.assertClose(expected, fisher(model, 2, DATA, exact), 1e-5);
    }
  }

  @Test
  void sampledLabelsEstimateTheExactOnes() {
    TinyData many = new TinyData(4000, IMAGE, CLASSES, 5, 0);
    try (Model model = Model.initialise(network(), 3)) {
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      double[] exact = fisher(model, 2, many, options.withLabels(Labels.EXACT));
      double[] sampled = fisher(model, 2, many, options.withLabels(Labels.SAMPLED).withSeed(9));
      double exactTrace = java.util.Arrays.stream(exact).sum();
      double sampledTrace = java.util.Arrays.stream(sampled).sum();
      // 4,000 draws: the relative deviation of the trace is a few percent at most.
      assertEquals(1, sampledTrace / exactTrace, 0.1);
      assertTrue(sampledTrace != exactTrace);
    }
  }

  @Test
  void bitsDependNeitherOnThreadsNorOnBatches() {
    try (Model model = Model.initialise(network(), 4)) {
      for (Labels labels : new Labels[] {Labels.TRUE, Labels.SAMPLED}) {
        FisherDiagonal.Options options =
            FisherDiagonal.Options.defaults().withLabels(labels).withSeed(7);
        double[] one = fisher(model, 1, DATA, options);
        assertArrayEquals(one, fisher(model, 2, DATA, options));
      }
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      double[] whole = fisher(model, 1, DATA, options.withBatchSize(37));
      // The activations come from a library that may order a sum by the batch size.
      SingleSamples.assertClose(whole, fisher(model, 1, DATA, options.withBatchSize(5)), 1e-5);
    }
  }

  @Test
  void batchSquaredIsTheSquareOfEachBatchMean() {
    try (Model model = Model.initialise(network(), 5)) {
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      double[] perSample = fisher(model, 2, DATA, options);
      double[] ones = fisher(model, 2, DATA, options.withBatchSize(1).withBatchSquared());
      SingleSamples.assertClose(perSample, ones, 1e-5);
      double[] batches = fisher(model, 2, DATA, options.withBatchSize(10).withBatchSquared());
      SingleSamples.assertClose(batchMeans(model, 10), batches, 1e-5);
    }
  }

  private static double[] batchMeans(Model model, int size) {
    double[] sum = new double[Math.toIntExact(model.parameters().count())];
    long batches = Math.ceilDiv(DATA.size(), size);
    try (Backend backend = Device.cpu(1).open();
        Execution execution = new Execution(model, backend, 1, Mode.FROZEN);
        GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
      for (long b = 0; b < batches; b++) {
        long to = Math.min(DATA.size(), (b + 1) * size);
        gradient.clear();
        for (long n = b * size; n < to; n++) {
          DATA.pixels(n, execution.input(1).segment(), 0);
          PLAIN.apply(execution.input(1).segment(), 0, IMAGE.floats());
          double[] p = SingleSamples.softmax(execution.forward(1));
          for (int c = 0; c < CLASSES; c++) {
            execution.outputGradient().set(c, (float) (p[c] - (c == DATA.label(n) ? 1 : 0)));
          }
          execution.backward(execution.outputGradient(), gradient);
        }
        for (int j = 0; j < sum.length; j++) {
          double g = gradient.gradient().flat().get(j) / (to - b * size);
          sum[j] += g * g / batches;
        }
      }
    }
    return sum;
  }

  @Test
  void unionIsThatOfAllSamples() {
    try (Model model = Model.initialise(network(), 6);
        Backend backend = Device.cpu(2).open();
        FisherDiagonal first = part(model, backend, 0, 10);
        FisherDiagonal second = part(model, backend, 10, 37);
        FisherDiagonal union = first.union(second)) {
      assertEquals(37, union.samples());
      SingleSamples.assertClose(
          fisher(model, 2, DATA, FisherDiagonal.Options.defaults()), values(union), 1e-6);
    }
  }

  private static FisherDiagonal part(Model model, Backend backend, long from, long to) {
    return FisherDiagonal.of(
        model,
        backend,
        DATA.part(from, to),
        PLAIN,
        FisherDiagonal.Options.defaults(),
        Progress.NONE);
  }

  @Test
  void labelFreeImportanceIsTheMeanAbsoluteBatchGradient() {
    try (Model model = Model.initialise(network(), 7)) {
      FisherDiagonal.Options options =
          FisherDiagonal.Options.defaults().withLabels(Labels.NONE).withBatchSquared();
      double[] squares = bruteForceOfLogits(model, DATA.part(0, 1));
      double[] expected = java.util.Arrays.stream(squares).map(Math::sqrt).toArray();
      SingleSamples.assertClose(
          expected, fisher(model, 1, DATA.part(0, 1), options.withBatchSize(1)), 1e-5);
      assertThrows(
          IllegalArgumentException.class,
          () -> fisher(model, 1, DATA, FisherDiagonal.Options.defaults().withLabels(Labels.NONE)));
    }
  }

  @Test
  void refusesDataThatDoesNotFit() {
    try (Model model = Model.initialise(network(), 8)) {
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      assertThrows(
          IllegalArgumentException.class, () -> fisher(model, 1, DATA.part(0, 0), options));
      assertThrows(
          IllegalArgumentException.class,
          () -> fisher(model, 1, new TinyData(3, IMAGE, CLASSES + 1, 1, 0), options));
      assertThrows(
          IllegalArgumentException.class,
          () -> fisher(model, 1, new TinyData(3, new ImageShape(7, 7, 2), 2, 1, 0), options));
      // As many values, but rows for columns: the importances would be those of scrambled images.
      ImageShape turned = new ImageShape(IMAGE.width(), IMAGE.height(), IMAGE.channels());
      assertThrows(
          IllegalArgumentException.class,
          () -> fisher(model, 1, new TinyData(3, turned, CLASSES, 1, 0), options));
    }
  }
}
