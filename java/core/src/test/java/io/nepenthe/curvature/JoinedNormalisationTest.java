package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Normalisations that are one pass over memory with the ReLU behind them, forward and backward,
 * give the squared gradients that x̂ and G give, and the outputs that single steps give: the same
 * bits.
 */
@EmulatedGpu
class JoinedNormalisationTest {
  private static final int BATCH = 5;

  /** Where normalisation, addition and ReLU follow each other, and where they nearly do. */
  enum Graph {
    RESNET18,
    RESNET9,
    /** The normalisation is what is added second; the first then takes the output's place. */
    ADDED_SECOND,
    /** What is added is the network's input, for which nobody wants a gradient. */
    INPUT_ADDED,
    /** Two normalisations are added; a convolution lies between the first and the sum. */
    TWO_ADDED,
    /** Its output is read twice, or by the sum alone, which something else reads as well. */
    READ_TWICE,
    /** What is added is read again further on: its gradient is there already. */
    READ_LATER,
    /** Two normalisations are added, of which one's input, or the input itself, is read again. */
    SECOND_READ_TWICE,
    SECOND_OF_INPUT,
    /** The same normalisation is added to itself, of another input. */
    TIED_ADDED,
    TIED,
    VECTORS;

    Network network() {
      Window same = Window.square(3).withPadding(1);
      Network.Builder b = Network.builder(Extent.image(6, 5, 3));
      switch (this) {
        case RESNET18 -> {
          return Architectures.resnet18(Extent.image(8, 8, 3), 4, 8);
        }
        case RESNET9 -> {
          return Architectures.resnet9(Extent.image(16, 16, 3), 4, 4);
        }
        case ADDED_SECOND -> {
          int stem = b.add(new Layer.Conv2d("stem", 3, 17, same, true), 0);
          b.then(new Layer.BatchNorm2d("first", 17)).then(new Layer.Relu());
          int trunk = b.last();
          b.then(new Layer.Conv2d("a", 17, 17, same, false)).then(new Layer.BatchNorm2d("b", 17));
          b.add(new Layer.Add(), trunk, b.last());
          b.then(new Layer.Relu());
          b.add(new Layer.Add(), b.last(), stem);
        }
        case INPUT_ADDED -> {
          b.then(new Layer.Conv2d("a", 3, 3, same, true)).then(new Layer.BatchNorm2d("b", 3));
          b.add(new Layer.Add(), b.last(), 0);
          b.then(new Layer.Relu()).then(new Layer.Conv2d("c", 3, 5, same, true));
        }
        case TWO_ADDED -> {
          int stem = b.add(new Layer.Conv2d("stem", 3, 9, same, true), 0);
          b.then(new Layer.Conv2d("a", 9, 9, same, true)).then(new Layer.BatchNorm2d("na", 9));
          int left = b.last();
          b.add(new Layer.Conv2d("b", 9, 9, same, true), stem);
          b.then(new Layer.BatchNorm2d("nb", 9));
          b.add(new Layer.Add(), left, b.last());
          b.then(new Layer.Relu());
        }
        case SECOND_READ_TWICE -> {
          int stem = b.add(new Layer.Conv2d("stem", 3, 9, same, true), 0);
          b.then(new Layer.Conv2d("a", 9, 9, same, true)).then(new Layer.BatchNorm2d("na", 9));
          int left = b.last();
          int right = b.add(new Layer.Conv2d("b", 9, 9, same, true), stem);
          b.add(new Layer.Add(), b.add(new Layer.BatchNorm2d("nb", 9), right), left);
          b.then(new Layer.Relu());
          b.add(new Layer.Add(), b.last(), right);
        }
        case SECOND_OF_INPUT -> {
          b.then(new Layer.Conv2d("a", 3, 3, same, true)).then(new Layer.BatchNorm2d("na", 3));
          int left = b.last();
          b.add(new Layer.Add(), left, b.add(new Layer.BatchNorm2d("nb", 3), 0));
          b.then(new Layer.Relu()).then(new Layer.Conv2d("c", 3, 5, same, true));
        }
        case TIED_ADDED -> {
          Layer norm = new Layer.BatchNorm2d("norm", 4);
          b.then(new Layer.Conv2d("a", 3, 4, same, true)).then(norm);
          int left = b.last();
          b.add(new Layer.Conv2d("b", 3, 4, same, true), 0);
          b.add(new Layer.Add(), left, b.add(norm, b.last()));
          b.then(new Layer.Relu());
        }
        case READ_TWICE -> {
          b.then(new Layer.Conv2d("a", 3, 8, same, true)).then(new Layer.BatchNorm2d("na", 8));
          int norm = b.last();
          int relu = b.add(new Layer.Relu(), norm);
          b.add(new Layer.Conv2d("b", 8, 8, same, true), norm);
          b.then(new Layer.BatchNorm2d("nb", 8));
          int sum = b.add(new Layer.Add(), b.last(), relu);
          int after = b.add(new Layer.Relu(), sum);
          b.add(new Layer.Add(), after, sum);
        }
        case READ_LATER -> {
          int stem = b.add(new Layer.Conv2d("stem", 3, 9, same, true), 0);
          b.then(new Layer.Conv2d("a", 9, 9, same, true)).then(new Layer.BatchNorm2d("na", 9));
          b.add(new Layer.Add(), b.last(), stem);
          b.then(new Layer.Relu());
          b.then(new Layer.Conv2d("b", 9, 9, same, true)).then(new Layer.BatchNorm2d("nb", 9));
          b.add(new Layer.Add(), stem, b.last());
          b.then(new Layer.Relu());
          b.add(new Layer.Add(), b.last(), stem);
        }
        case TIED -> {
          Layer conv = new Layer.Conv2d("conv", 4, 4, same, true);
          Layer norm = new Layer.BatchNorm2d("norm", 4);
          b.then(new Layer.Conv2d("stem", 3, 4, same, true));
          b.then(conv).then(norm).then(new Layer.Relu());
          b.then(conv).then(norm).then(new Layer.Relu());
          b.then(new Layer.BatchNorm2d("own", 4)).then(new Layer.Relu());
        }
        case VECTORS ->
            b.then(new Layer.Flatten())
                .then(new Layer.Linear("a", 90, 33, true))
                .then(new Layer.BatchNorm2d("n", 33))
                .then(new Layer.Relu())
                .then(new Layer.Linear("b", 33, 3, true));
      }
      return b.build();
    }

    Model model() {
      Model model = Model.initialise(network(), 2);
      SplittableRandom random = new SplittableRandom(9);
      for (Parameters set : new Parameters[] {model.parameters(), model.buffers()}) {
        for (long i = 0; i < set.count(); i++) {
          set.flat().set(i, set.flat().get(i) + 0.3f * random.nextFloat());
        }
      }
      return model;
    }
  }

  private static Tensor normal(Arena arena, Extent extent, int batch, int seed) {
    Tensor tensor = Tensor.zeros(arena, extent.batch(batch));
    SplittableRandom random = new SplittableRandom(seed);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, (float) random.nextGaussian());
    }
    return tensor;
  }

  /** What a way of passing leaves: outputs and squares. */
  private record Result(List<float[]> outputs, float[] squares) {}

  /** Two batches, one smaller, with two backward passes each. */
  private static Result passes(Backend backend, Model model, boolean joined, boolean shown) {
    Network network = model.network();
    List<float[]> outputs = new ArrayList<>();
    try (Arena arena = Arena.ofConfined();
        Execution execution = new Execution(model, backend, BATCH, Mode.FROZEN);
        SquaredGradients squares = new SquaredGradients(model, backend)) {
      LayerVisitor visitor = joined ? squares : squares::visit;
      for (int batch : new int[] {BATCH, 2}) {
        Tensor input = normal(arena, network.input(), batch, batch);
        execution.input(batch).copyFrom(input);
        Tensor output = shown ? execution.forward(batch, (_, _) -> {}) : execution.forward(batch);
        outputs.add(output.toArray());
        execution.backward(normal(arena, network.output(), batch, 3), visitor);
        // A visitor that wants x̂ comes between two that do not: x̂ then is where x was.
        execution.backward(normal(arena, network.output(), batch, 4), squares::visit);
        execution.backward(normal(arena, network.output(), batch, 5), visitor);
      }
      Parameters values = model.parameters().zerosLike(arena);
      squares.value(values);
      return new Result(outputs, values.flat().toArray());
    }
  }

  private static void compare(Backend backend, Graph graph) {
    try (Model model = graph.model()) {
      Result apart = passes(backend, model, false, true);
      for (boolean joined : new boolean[] {false, true}) {
        for (boolean shown : new boolean[] {false, true}) {
          Result got = passes(backend, model, joined, shown);
          for (int i = 0; i < apart.outputs.size(); i++) {
            assertArrayEquals(apart.outputs.get(i), got.outputs.get(i));
          }
          assertArrayEquals(apart.squares, got.squares);
        }
      }
      float[] inferred = inferred(backend, model);
      assertArrayEquals(apart.outputs.get(0), inferred);
    }
  }

  private static float[] inferred(Backend backend, Model model) {
    try (Arena arena = Arena.ofConfined();
        Execution execution = new Execution(model, backend, BATCH, Mode.INFERENCE)) {
      return execution.forward(normal(arena, model.network().input(), BATCH, BATCH)).toArray();
    }
  }

  @ParameterizedTest
  @EnumSource
  void bitsAreThoseOfSingleSteps(Graph graph) {
    for (int threads = 1; threads <= 2; threads++) {
      try (Backend backend = Device.cpu(threads).open()) {
        compare(backend, graph);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"ADDED_SECOND", "INPUT_ADDED", "TWO_ADDED"})
  void alsoOnADevice(Graph graph) {
    try (Backend backend = Device.cuda(0).open()) {
      compare(backend, graph);
    }
  }

  /** The kernels of one Fisher pass of a ResNet-18 on the device, forward and backward. */
  private static List<String> kernels(Path folder) throws IOException {
    Path file = folder.resolve("launches.jfr");
    try (Model model = Model.initialise(Architectures.resnet18(Extent.image(4, 4, 1), 2, 2), 1);
        Backend backend = Device.cuda(0).open();
        Arena arena = Arena.ofConfined();
        Execution execution = new Execution(model, backend, 2, Mode.FROZEN);
        SquaredGradients squares = new SquaredGradients(model, backend);
        Recording recording = new Recording()) {
      recording.enable("io.nepenthe.CudaLaunch").withThreshold(Duration.ZERO);
      recording.start();
      execution.forward(normal(arena, model.network().input(), 2, 1));
      execution.backward(normal(arena, model.network().output(), 2, 1), squares);
      recording.stop();
      recording.dump(file);
    }
    return RecordingFile.readAllEvents(file).stream()
        .filter(event -> event.getEventType().getName().equals("io.nepenthe.CudaLaunch"))
        .map(event -> event.getString("kernel"))
        .toList();
  }

  /**
   * Convolutions add their input's gradient to that of a residual, and normalisations of shortcuts
   * are in the pass of the addition.
   */
  @Test
  void noPassAddsGradientsOrNormalisesAlone(@TempDir Path folder) throws IOException {
    List<String> kernels = kernels(folder);
    assertEquals(14, Collections.frequency(kernels, "nep_batch_norm_relu_gradient"));
    assertEquals(3, Collections.frequency(kernels, "nep_batch_norm_relu_pair"));
    assertEquals(3, Collections.frequency(kernels, "nep_batch_norm_relu_pair_gradient"));
    for (String alone :
        List.of("nep_activation_add", "nep_batch_norm", "nep_batch_norm_gradient")) {
      assertEquals(0, Collections.frequency(kernels, alone), alone);
    }
  }

  /** Counts what a visitor is shown. */
  private static final class Counts implements LayerVisitor {
    final List<String> seen = new ArrayList<>();
    final List<String> samples = new ArrayList<>();

    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      seen.add(layer.layer().name());
    }

    @Override
    public boolean takesSampleGradients(ParametricLayer layer) {
      return true;
    }

    @Override
    public void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {
      assertEquals(scale.shape(), shift.shape());
      samples.add(layer.layer().name());
    }
  }

  /** All of a ResNet-18's, those of its three shortcuts too, and each layer once. */
  @Test
  void whatCanBeIsJoined() {
    try (Model model = Graph.RESNET18.model();
        Backend backend = Device.cpu(1).open();
        Arena arena = Arena.ofConfined();
        Execution execution = new Execution(model, backend, 2, Mode.FROZEN)) {
      execution.forward(normal(arena, model.network().input(), 2, 1));
      Counts counts = new Counts();
      execution.backward(normal(arena, model.network().output(), 2, 1), counts);
      assertEquals(20, counts.samples.size());
      assertEquals(model.layers().size(), counts.samples.size() + counts.seen.size());
    }
  }

  /** Wherever a pass begins, each layer behind is seen once. */
  @Test
  void pairsBeginWhereThePassDoes() {
    try (Model model = Graph.TWO_ADDED.model();
        Backend backend = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor input = normal(arena, model.network().input(), 2, 1);
      Tensor gradient = normal(arena, model.network().output(), 2, 1);
      for (int first = 0; first < model.network().nodes().size(); first++) {
        try (Execution execution = new Execution(model, backend, 2, Mode.FROZEN, first)) {
          execution.forward(input);
          Counts each = new Counts();
          execution.backward(gradient, each::visit);
          execution.forward(input);
          Counts counts = new Counts();
          execution.backward(gradient, counts);
          List<String> all = new ArrayList<>(counts.seen);
          all.addAll(counts.samples);
          assertEquals(
              each.seen.stream().sorted().toList(), all.stream().sorted().toList(), "" + first);
          assertEquals(first <= 3 ? 2 : 0, counts.samples.size(), "" + first);
        }
      }
    }
  }

  /** A pass that begins between a normalisation and its ReLU shows what lies behind. */
  @Test
  void frozenBeginningsAreNotSeen() {
    try (Model model = Graph.VECTORS.model();
        Backend backend = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor input = normal(arena, model.network().input(), 2, 1);
      Tensor gradient = normal(arena, model.network().output(), 2, 1);
      List<List<String>> want =
          List.of(List.of("b", "n", "a"), List.of("b", "n"), List.of("b"), List.of("b"));
      for (int first = 2; first <= 5; first++) {
        try (Execution execution = new Execution(model, backend, 2, Mode.FROZEN, first)) {
          execution.forward(input);
          Counts counts = new Counts();
          execution.backward(gradient, counts);
          List<String> all = new ArrayList<>(counts.seen);
          all.addAll(counts.samples);
          assertEquals(
              want.get(first - 2).stream().sorted().toList(), all.stream().sorted().toList());
        }
      }
    }
  }
}
