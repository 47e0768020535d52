package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.kernel.Covariance.Sharing;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class CovarianceTest {
  private static void add(
      Backend backend,
      LayerCase some,
      long from,
      long to,
      MemorySegment mask,
      boolean bias,
      Sharing sharing,
      DriftFreeSum state) {
    if (some.linear) {
      long each = some.geometry.positions();
      MemorySegment part =
          mask.equals(PerSample.ALL) ? mask : mask.asSlice(from * each, (to - from) * each);
      backend.perSample().covariance(some.input(from, to), part, bias, sharing, state);
    } else {
      backend.perSample().covariance(some.convolution, some.input(from, to), bias, sharing, state);
    }
  }

  private static MemorySegment mask(Arena arena, LayerCase some, SplittableRandom random) {
    if (!some.linear || random.nextBoolean()) {
      return PerSample.ALL;
    }
    MemorySegment mask = arena.allocate(some.geometry.samples() * some.geometry.positions());
    for (long i = 0; i < mask.byteSize(); i++) {
      mask.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt(4) == 0 ? 0 : 1));
    }
    return mask;
  }

  /** The upper half, mirrored. */
  private static Tensor value(Arena arena, DriftFreeSum state) {
    Tensor out = Tensor.zeros(arena, state.shape());
    state.value(out);
    Covariance.mirror(out);
    return out;
  }

  private static DriftFreeSum state(Arena arena, LayerCase some, boolean bias) {
    return DriftFreeSum.zeros(arena, Covariance.shape(some.geometry, bias));
  }

  @Property(tries = 200)
  void agreesWithBruteForce(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      LayerCase some =
          LayerCase.random(arena, random, random.nextInt(1, 6), KernelTest.normal(seed));
      MemorySegment mask = mask(arena, some, random);
      boolean bias = random.nextBoolean();
      for (Sharing sharing : Sharing.values()) {
        DriftFreeSum state = state(arena, some, bias);
        add(backend, some, 0, some.geometry.samples(), mask, bias, sharing, state);
        SquareGradients.Reference reference =
            Covariance.reference(some.geometry, some.input(), mask, bias, sharing);
        if (java.util.Arrays.stream(reference.sum()).allMatch(value -> value == 0)) {
          continue; // everything masked
        }
        KernelTest.assertWithin(
            reference.sum(),
            reference.magnitude(),
            Covariance.steps(some.geometry.positions(), sharing),
            value(arena, state));
      }
      some.assertUntouched();
    }
  }

  @Property(tries = 40)
  void bitsDependNeitherOnThreadsNorOnSplitting(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long samples = 150;
    long cut = random.nextInt(1, 150);
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend two = Device.cpu(2).open();
        Backend three = Device.cpu(3).open()) {
      LayerCase some = LayerCase.random(arena, random, samples, KernelTest.normal(seed));
      for (Sharing sharing : Sharing.values()) {
        DriftFreeSum whole = state(arena, some, true);
        add(one, some, 0, samples, PerSample.ALL, true, sharing, whole);
        for (Backend backend : List.of(two, three)) {
          DriftFreeSum parts = state(arena, some, true);
          add(backend, some, 0, cut, PerSample.ALL, true, sharing, parts);
          add(backend, some, cut, samples, PerSample.ALL, true, sharing, parts);
          KernelTest.assertBitwise(value(arena, whole), value(arena, parts));
          assertEquals(samples, parts.count());
        }
      }
    }
  }

  @Test
  void tileEdgesAreExactOnSmallIntegers() {
    int[] edges = {1, 3, 4, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 33, 47, 48, 49, 95, 96, 97, 145};
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(3).open()) {
      for (int inputs : edges) {
        for (int positions : new int[] {1, 3, 40}) {
          LayerCase some =
              LayerCase.linear(arena, 3, positions, inputs, 1, KernelTest.integers(inputs, 3));
          Shape shape = Covariance.shape(some.geometry, true);
          KernelTest.Guarded sum = KernelTest.guarded(arena, shape.elements(), () -> 0);
          KernelTest.Guarded rest = KernelTest.guarded(arena, shape.elements(), () -> 0);
          DriftFreeSum state =
              DriftFreeSum.of(sum.tensor().reshape(shape), rest.tensor().reshape(shape));
          add(backend, some, 0, 3, PerSample.ALL, true, Sharing.EXPAND, state);
          SquareGradients.Reference reference =
              Covariance.reference(
                  some.geometry, some.input(), PerSample.ALL, true, Sharing.EXPAND);
          KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, value(arena, state));
          sum.assertUntouched();
          rest.assertUntouched();
        }
      }
    }
  }

  @Test
  void rowsBeyondOnePackedRun() {
    // More positions than rows are packed at once (256), and more features than one panel.
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      LayerCase some = LayerCase.linear(arena, 3, 700, 60, 1, KernelTest.integers(4, 2));
      DriftFreeSum state = state(arena, some, false);
      add(backend, some, 0, 3, PerSample.ALL, false, Sharing.EXPAND, state);
      SquareGradients.Reference reference =
          Covariance.reference(some.geometry, some.input(), PerSample.ALL, false, Sharing.EXPAND);
      KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, value(arena, state));
    }
  }

  @Test
  void manySamplesDoNotDrift() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      KernelTest.Values normal = KernelTest.normal(1);
      LayerCase some = LayerCase.linear(arena, 60_000, 1, 5, 1, () -> 1 + 0.1f * normal.next());
      DriftFreeSum state = state(arena, some, true);
      add(backend, some, 0, 60_000, PerSample.ALL, true, Sharing.EXPAND, state);
      SquareGradients.Reference reference =
          Covariance.reference(some.geometry, some.input(), PerSample.ALL, true, Sharing.EXPAND);
      Tensor got = value(arena, state);
      for (int i = 0; i < 36; i++) {
        assertEquals(1, got.get(i) / reference.sum()[i], 1e-5);
      }
    }
  }

  @Test
  void emptyBatchesAndMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      PerSample operations = backend.perSample();
      DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(4, 4));
      Tensor input = Tensor.zeros(arena, 2, 4);
      operations.covariance(Tensor.zeros(arena, 0, 4), PerSample.ALL, false, Sharing.EXPAND, state);
      assertEquals(0, state.count());
      List<Runnable> wrong =
          List.of(
              () -> operations.covariance(input, PerSample.ALL, true, Sharing.EXPAND, state),
              () -> operations.covariance(state.sum(), PerSample.ALL, false, Sharing.EXPAND, state),
              () -> operations.covariance(input, arena.allocate(3), false, Sharing.EXPAND, state),
              () ->
                  operations.covariance(
                      Tensor.zeros(arena, 8), PerSample.ALL, false, Sharing.EXPAND, state),
              () ->
                  operations.covariance(
                      Window.square(1).convolution(3),
                      Tensor.zeros(arena, 1, 2, 2, 4),
                      false,
                      Sharing.EXPAND,
                      state));
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
      assertEquals(0, state.count());
    }
  }
}
