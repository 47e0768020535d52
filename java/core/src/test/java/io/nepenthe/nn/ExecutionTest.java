package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.opentest4j.TestAbortedException;

class ExecutionTest {
  private static final Window SAME = Window.square(3).withPadding(1);

  @Test
  void aStepAllocatesNothingInSteadyState() throws Throwable {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Network network = Architectures.resnet9(Extent.image(8, 8, 3), 10, 8);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(network, 1);
        Learner learner = TrainingFixture.learner(model, backend, 8, TrainingFixture.SGD)) {
      int[] labels = new int[8];
      for (int i = 0; i < 600; i++) {
        learner.step(i % 10 == 0 ? 5 : 8, labels, 1);
      }
      // A leak shows in every window; what the virtual machine takes and gives back, only in some.
      NativeHeap heap =
          NativeHeap.find().orElseThrow(() -> new TestAbortedException("no glibc 2.33"));
      long growth = Long.MAX_VALUE;
      long before = threads.getCurrentThreadAllocatedBytes();
      int windows = 0;
      while (windows < 40 && (windows < 4 || growth >= 100)) {
        long used = heap.inUse();
        for (int i = 0; i < 100; i++) {
          learner.step(i % 10 == 0 ? 5 : 8, labels, 1);
        }
        growth = Math.min(growth, Math.abs(heap.inUse() - used));
        windows++;
      }
      long perStep = (threads.getCurrentThreadAllocatedBytes() - before) / (100 * windows);
      // The step's options and what the just-in-time compiler does not remove; no arrays or
      // tensors.
      assertTrue(perStep < 1024, perStep + " bytes a step on the heap");
      assertTrue(growth < 100, growth + " bytes in 100 steps outside it");
    }
  }

  @Test
  void inferenceGivesTheBitsOfTheFrozenPass() {
    Network network = Architectures.resnet18(Extent.image(8, 8, 3), 10, 8);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model = Model.initialise(network, 1);
        Execution frozen = new Execution(model, backend, 6, Mode.FROZEN);
        Execution inference = new Execution(model, backend, 6, Mode.INFERENCE)) {
      Tensor input = Tensor.zeros(arena, 6, 8, 8, 3);
      for (long i = 0; i < input.elements(); i++) {
        input.set(i, (float) Counter.unit(3, i));
      }
      float[] kept = frozen.forward(input).toArray();
      assertArrayEquals(kept, inference.forward(input).toArray());
      assertArrayEquals(
          inference.forward(input).toArray(), inference.forward(input).toArray(), "repeatable");
      assertTrue(inference.memoryBytes() < frozen.memoryBytes() / 3, "blocks are shared");
    }
  }

  @Test
  void visitorSeesEveryUseOnceWithItsInputAndGradient() {
    Layer tied = new Layer.Conv2d("tied", 3, 3, SAME, true);
    Network network =
        Network.builder(Extent.image(4, 4, 3))
            .then(tied)
            .then(new Layer.Relu())
            .then(tied)
            .then(new Layer.BatchNorm2d("norm", 3))
            .then(new Layer.Flatten())
            .then(new Layer.Linear("fc", 48, 2, false))
            .build();
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(network, 1);
        Execution execution = new Execution(model, backend, 2, Mode.FROZEN)) {
      assertEquals(3 * 27 + 3 + 6 + 96, model.parameters().count());
      Tensor input = Tensor.zeros(arena, 2, 4, 4, 3);
      for (long i = 0; i < input.elements(); i++) {
        input.set(i, i % 7 - 3);
      }
      execution.forward(input);
      List<String> seen = new ArrayList<>();
      execution.backward(
          Tensor.copyOf(arena, Shape.of(2, 2), 1, 2, 3, 4),
          (layer, x, g) -> {
            seen.add(layer.layer().name() + layer.use() + "/" + layer.uses());
            if (layer.node() == 1) {
              assertArrayEquals(input.toArray(), x.toArray());
            }
            if (layer.layer() instanceof Layer.Linear) {
              assertArrayEquals(new float[] {1, 2, 3, 4}, g.toArray());
            }
            if (layer.node() == 3) {
              for (long i = 0; i < x.elements(); i++) {
                assertTrue(x.get(i) >= 0, "the activation before the second use");
              }
            }
          });
      assertEquals(List.of("fc0/1", "norm0/1", "tied1/2", "tied0/2"), seen);
    }
  }

  @Test
  void runningStatisticsMoveOnlyWhereTheyShould() {
    Network network = Network.builder(Extent.vector(2)).then(new Layer.BatchNorm2d("n", 2)).build();
    for (Mode mode : Mode.values()) {
      try (Arena arena = Arena.ofConfined();
          Backend backend = Device.cpu(1).open();
          Model model = Model.initialise(network, 1);
          Execution execution = new Execution(model, backend, 4, mode)) {
        Tensor input = Tensor.copyOf(arena, Shape.of(4, 2), 1, 10, 2, 10, 3, 10, 6, 14);
        float[] output = execution.forward(input).toArray();
        float[] buffers = model.buffers().flat().toArray();
        if (mode.batchStatistics()) {
          // Means 3 and 11, unbiased variances 14/3 and 4, momentum 0.1.
          float[] want = {0.3f, 1.1f, 0.9f + 0.1f * 14 / 3, 0.9f + 0.1f * 4};
          assertArrayEquals(want, buffers, 1e-6f);
          assertEquals(-2 / Math.sqrt(3.5 + 1e-5), output[0], 1e-6);
        } else {
          assertArrayEquals(new float[] {0, 0, 1, 1}, buffers);
          assertEquals(1 / Math.sqrt(1 + 1e-5), output[0], 1e-6);
        }
      }
    }
  }

  @Test
  void dropoutScalesRepeatsAndPropagates() {
    Network network =
        Network.builder(Extent.vector(1000))
            .then(new Layer.BatchNorm2d("n", 1000))
            .then(new Layer.Dropout(0.25))
            .build();
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model = Model.initialise(network, 1);
        Execution execution = new Execution(model, backend, 50, Mode.TRAIN)) {
      Tensor input = Tensor.zeros(arena, 50, 1000);
      Tensor ones = Tensor.zeros(arena, 50, 1000);
      for (long i = 0; i < input.elements(); i++) {
        input.set(i, (float) Counter.unit(9, i));
        ones.set(i, 1);
      }
      execution.seedDropout(1);
      float[] first = execution.forward(input).toArray();
      long kept = 0;
      boolean[] alive = new boolean[first.length];
      for (int i = 0; i < first.length; i++) {
        alive[i] = first[i] != 0;
        kept += alive[i] ? 1 : 0;
      }
      // 50,000 draws, standard deviation 97.
      assertEquals(37_500, kept, 500);
      execution.backward(
          ones,
          (layer, x, g) -> {
            for (int i = 0; i < alive.length; i++) {
              assertEquals(alive[i] ? (float) (1 / 0.75) : 0, g.get(i));
            }
          });
      assertFalse(Arrays.equals(first, execution.forward(input).toArray()), "a new draw a pass");
      execution.seedDropout(1);
      assertArrayEquals(first, execution.forward(input).toArray());
    }
  }

  @Test
  void misuseIsRefusedInWords() {
    Network network = Network.builder(Extent.vector(2)).then(linear(2, 3)).build();
    assertThrows(
        IllegalArgumentException.class,
        () -> Network.builder(Extent.vector(2)).then(linear(3, 3)).build());
    assertThrows(
        IllegalArgumentException.class,
        () -> Network.builder(Extent.vector(2)).then(linear(2, 3)).then(linear(3, 2)).build());
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Model model = Model.initialise(network, 1);
      Execution inference = new Execution(model, backend, 2, Mode.INFERENCE);
      Execution frozen = new Execution(model, backend, 2, Mode.FROZEN);
      Tensor three = Tensor.zeros(arena, 3, 2);
      Tensor one = Tensor.zeros(arena, 1, 2);
      Tensor gradient = Tensor.zeros(arena, 1, 3);
      assertThrows(IllegalArgumentException.class, () -> inference.forward(three));
      assertThrows(IllegalArgumentException.class, () -> inference.forward(gradient));
      assertThrows(IllegalArgumentException.class, () -> inference.forward(0));
      assertThrows(IllegalStateException.class, () -> frozen.backward(gradient, LayerVisitor.NONE));
      inference.forward(one);
      assertThrows(
          IllegalStateException.class, () -> inference.backward(gradient, LayerVisitor.NONE));
      frozen.forward(one);
      assertThrows(IllegalArgumentException.class, () -> frozen.backward(one, LayerVisitor.NONE));
      inference.close();
      inference.close();
      assertThrows(IllegalStateException.class, () -> inference.forward(1));
      assertThrows(IllegalStateException.class, () -> inference.forward(one));
      model.close();
      model.close();
      assertThrows(IllegalStateException.class, () -> frozen.forward(one));
      frozen.close();
    }
  }

  private static Layer linear(long in, long out) {
    return new Layer.Linear("fc", in, out, true);
  }
}
