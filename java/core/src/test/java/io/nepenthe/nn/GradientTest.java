package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Outputs and parameter gradients of every layer against the float64 reference network and its
 * central differences. Each network ends in a random functional of its output and begins with a
 * layer that has parameters, so that a wrong input gradient of the layer under test shows.
 */
class GradientTest {
  private static final int BATCH = 5;
  private static final double STEP = 1e-5;

  /** At most about this many entries of a tensor are differentiated, evenly spread. */
  private static final int ENTRIES = 60;

  /** The layer under test behind a convolution of a 7×6×2 image to 4 channels. */
  enum Case {
    LINEAR(new Layer.Flatten(), new Layer.Linear("under", 7 * 6 * 4, 9, true)),
    LINEAR_WITHOUT_BIAS(new Layer.Flatten(), new Layer.Linear("under", 7 * 6 * 4, 9, false)),
    LINEAR_WIDE(new Layer.Flatten(), new Layer.Linear("under", 7 * 6 * 4, 131, true)),
    CONVOLUTION(new Layer.Conv2d("under", 4, 5, Window.square(3), true)),
    CONVOLUTION_POINTWISE(new Layer.Conv2d("under", 4, 5, Window.square(1).withStride(2), false)),
    CONVOLUTION_STRIDED(
        new Layer.Conv2d("under", 4, 5, Window.square(3).withStride(2).withPadding(1), false)),
    CONVOLUTION_ASYMMETRIC(
        new Layer.Conv2d(
            "under", 4, 5, Window.of(3, 2).withStride(2).withPadding(0, 1, 2, 0), true)),
    CONVOLUTION_DILATED(
        new Layer.Conv2d("under", 4, 5, Window.square(3).withDilation(2).withPadding(2), true)),
    CONVOLUTION_GROUPED(new Layer.Conv2d("under", 4, 6, Window.square(3).withPadding(1), 2, true)),
    CONVOLUTION_DEPTHWISE(
        new Layer.Conv2d("under", 4, 4, Window.square(3).withPadding(1), 4, true)),
    BATCH_NORM(new Layer.BatchNorm2d("under", 4)),
    BATCH_NORM_OF_VECTORS(
        new Layer.Flatten(),
        new Layer.Linear("between", 7 * 6 * 4, 9, true),
        new Layer.BatchNorm2d("under", 9, 1e-3f, 0.2f)),
    RELU(new Layer.Relu()),
    CELU(new Layer.Celu(0.075f)),
    MAX_POOL(new Layer.MaxPool(Window.square(2).withStride(2))),
    MAX_POOL_OVERLAPPING(new Layer.MaxPool(Window.of(3, 2).withStride(1).withPadding(1, 0, 2, 1))),
    MAX_POOL_DILATED(new Layer.MaxPool(Window.square(2).withDilation(2))),
    AVERAGE_POOL(new Layer.AveragePool(Window.of(2, 3).withPadding(1, 1, 0, 2), false)),
    AVERAGE_POOL_OF_ALL(new Layer.AveragePool(Window.square(3).withPadding(1, 2, 1, 0), true)),
    GLOBAL_AVERAGE_POOL(new Layer.GlobalAveragePool()),
    PAD_CONSTANT(new Layer.Pad(new Padding(1, 0, 2, 3, Padding.Mode.CONSTANT, -0.7f))),
    PAD_REFLECT(new Layer.Pad(new Padding(6, 1, 2, 5, Padding.Mode.REFLECT, 0))),
    PAD_REPLICATE(new Layer.Pad(new Padding(9, 1, 0, 2, Padding.Mode.REPLICATE, 0))),
    PAD_CIRCULAR(new Layer.Pad(new Padding(7, 1, 2, 6, Padding.Mode.CIRCULAR, 0))),
    CONVOLUTION_PADDED_CIRCULARLY(
        new Layer.Relu(),
        new Layer.Pad(Padding.of(1, Padding.Mode.CIRCULAR)),
        new Layer.Conv2d("under", 4, 6, Window.square(3).withStride(2), 2, true)),
    DROPOUT_FROZEN(new Layer.Dropout(0)),
    CHAIN(
        new Layer.BatchNorm2d("norm", 4),
        new Layer.Relu(),
        new Layer.Conv2d("under", 4, 6, Window.square(3).withPadding(1), true),
        new Layer.Celu(0.5f),
        new Layer.MaxPool(Window.square(2).withStride(2)),
        new Layer.Flatten(),
        new Layer.Linear("last", 3 * 3 * 6, 7, true),
        new Layer.Relu());

    private final Layer[] layers;

    Case(Layer... layers) {
      this.layers = layers;
    }

    Network network() {
      Network.Builder builder = Network.builder(Extent.image(7, 6, 2));
      builder.then(new Layer.Conv2d("first", 2, 4, Window.square(3).withPadding(1), true));
      for (Layer layer : layers) {
        builder.then(layer);
      }
      return builder.build();
    }
  }

  @ParameterizedTest
  @EnumSource
  void layerWithRunningStatistics(Case layer) {
    check(layer.network(), Mode.FROZEN);
  }

  @ParameterizedTest
  @EnumSource
  void layerWithBatchStatistics(Case layer) {
    check(layer.network(), Mode.TRAIN);
  }

  /** Graphs in which gradients meet, blocks are shared and layers are tied. */
  enum Graph {
    RESIDUAL,
    SAME_TWICE,
    TIED,
    SKIP_OVER_ACTIVATION,
    ACTIVATION_READ_TWICE;

    Network network() {
      Network.Builder b = Network.builder(Extent.image(5, 4, 3));
      Window same = Window.square(3).withPadding(1);
      int stem = b.add(new Layer.Conv2d("stem", 3, 4, same, false), 0);
      switch (this) {
        case RESIDUAL -> {
          b.then(new Layer.BatchNorm2d("bn1", 4)).then(new Layer.Relu());
          int trunk = b.last();
          b.then(new Layer.Conv2d("a", 4, 6, same.withStride(2), false))
              .then(new Layer.BatchNorm2d("bn2", 6))
              .then(new Layer.Relu())
              .then(new Layer.Conv2d("b", 6, 6, same, false))
              .then(new Layer.BatchNorm2d("bn3", 6));
          int left = b.last();
          int short1 =
              b.add(new Layer.Conv2d("c", 4, 6, Window.square(1).withStride(2), false), trunk);
          int short2 = b.add(new Layer.BatchNorm2d("bn4", 6), short1);
          b.add(new Layer.Add(), left, short2);
          b.then(new Layer.Relu()).then(new Layer.GlobalAveragePool()).then(new Layer.Flatten());
        }
        case SAME_TWICE -> {
          b.add(new Layer.Add(), stem, stem);
          b.then(new Layer.Celu(1));
        }
        case TIED -> {
          Layer tied = new Layer.Conv2d("tied", 4, 4, same, true);
          Layer norm = new Layer.BatchNorm2d("norm", 4);
          b.then(tied).then(norm).then(new Layer.Relu()).then(tied).then(norm);
        }
        case SKIP_OVER_ACTIVATION -> {
          int activation = b.add(new Layer.Relu(), stem);
          b.add(new Layer.Add(), stem, activation);
          b.then(new Layer.Conv2d("after", 4, 2, same, true));
        }
        case ACTIVATION_READ_TWICE -> {
          int relu = b.add(new Layer.Relu(), stem);
          int celu = b.add(new Layer.Celu(0.3f), relu);
          int conv = b.add(new Layer.Conv2d("a", 4, 4, same, true), relu);
          int sum = b.add(new Layer.Add(), celu, conv);
          int pool = b.add(new Layer.MaxPool(Window.square(3).withPadding(1)), sum);
          int drop = b.add(new Layer.Dropout(0), pool);
          b.add(new Layer.Add(), drop, relu);
        }
      }
      return b.build();
    }
  }

  @ParameterizedTest
  @EnumSource
  void graphWithRunningStatistics(Graph graph) {
    check(graph.network(), Mode.FROZEN);
  }

  @ParameterizedTest
  @EnumSource
  void graphWithBatchStatistics(Graph graph) {
    check(graph.network(), Mode.TRAIN);
  }

  /** The device under test. */
  Device device() {
    return Device.cpu(2);
  }

  private void check(Network network, Mode mode) {
    SplittableRandom random = new SplittableRandom(7);
    try (Arena arena = Arena.ofConfined();
        Backend backend = device().open();
        Model model = Model.initialise(network, 3)) {
      perturb(model, random);
      ReferenceNetwork reference = new ReferenceNetwork(model, mode == Mode.TRAIN);
      Tensor input = Tensor.zeros(arena, network.input().batch(BATCH));
      double[] inputs = random(input, random);
      Tensor weights = Tensor.zeros(arena, network.output().batch(BATCH));
      double[] functional = random(weights, random);
      try (Execution execution = new Execution(model, backend, BATCH + 2, mode);
          GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
        Tensor output = execution.forward(input);
        compare("output", reference.forward(inputs, BATCH), output);
        execution.backward(weights, gradient);
        for (Parameters.Parameter parameter : gradient.gradient().all()) {
          String name = parameter.spec().name();
          double[] want = differences(reference, name, inputs, functional);
          compare(name, want, parameter.value());
        }
        // A second pass gives the same again, added up.
        Tensor first = Tensor.zeros(arena, gradient.gradient().flat().shape());
        first.copyFrom(gradient.gradient().flat());
        execution.forward(input);
        execution.backward(weights, gradient);
        for (long i = 0; i < first.elements(); i++) {
          assertEquals(2 * first.get(i), gradient.gradient().flat().get(i), 0x1p-20 * scale(first));
        }
      }
    }
  }

  /** Moves scales, shifts and statistics off their trivial initial values. */
  private static void perturb(Model model, SplittableRandom random) {
    for (Parameters set : new Parameters[] {model.parameters(), model.buffers()}) {
      for (long i = 0; i < set.count(); i++) {
        set.flat().set(i, set.flat().get(i) + 0.3f * random.nextFloat());
      }
    }
  }

  private static double[] random(Tensor tensor, SplittableRandom random) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      tensor.set(i, (float) random.nextGaussian());
      values[i] = tensor.get(i);
    }
    return values;
  }

  private static double[] differences(
      ReferenceNetwork reference, String name, double[] inputs, double[] functional) {
    double[] value = reference.value(name);
    double[] derivative = new double[value.length];
    int stride = Math.max(1, value.length / ENTRIES);
    Arrays.fill(derivative, Double.NaN);
    for (int i = 0; i < value.length; i += stride) {
      double kept = value[i];
      value[i] = kept + STEP;
      double above = reference.functional(inputs, BATCH, functional);
      value[i] = kept - STEP;
      double below = reference.functional(inputs, BATCH, functional);
      value[i] = kept;
      derivative[i] = (above - below) / (2 * STEP);
    }
    return derivative;
  }

  /**
   * Float32 sums of up to a thousand terms through a few layers: 2^-24 · 2^9 of the tensor's scale,
   * 3e-5. A kink within the difference's step would be far outside; the seeds have none.
   */
  private static void compare(String what, double[] want, Tensor got) {
    assertEquals(want.length, got.elements(), what);
    double scale = 0;
    for (double value : want) {
      scale = Double.isNaN(value) ? scale : Math.max(scale, Math.abs(value));
    }
    assertTrue(scale > 0 || what.endsWith(".bias"), what + " is zero everywhere");
    for (int i = 0; i < want.length; i++) {
      double error = Math.abs(got.get(i) - want[i]);
      assertTrue(Float.isFinite(got.get(i)), what);
      assertTrue(
          Double.isNaN(want[i]) || error <= 0x1p-15 * Math.max(scale, 1),
          what + "[" + i + "]: reference " + want[i] + ", got " + got.get(i));
    }
  }

  private static double scale(Tensor tensor) {
    double scale = 1;
    for (long i = 0; i < tensor.elements(); i++) {
      scale = Math.max(scale, Math.abs(tensor.get(i)));
    }
    return scale;
  }
}
