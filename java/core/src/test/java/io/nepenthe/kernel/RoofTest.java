package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class RoofTest {
  private static final int GUARD = 16;

  @Test
  void operationsGrowWithStepsAndThreads() {
    long one = Roof.multiplyAdd(1, 1);
    assertTrue(one > 0 && one % 2 == 0, "operations of one step: " + one);
    assertEquals(1000 * one, Roof.multiplyAdd(1000, 1));
    assertEquals(2000 * one, Roof.multiplyAdd(1000, 2));
  }

  @Test
  void sweepsComputeWhatTheySay() {
    for (int size : KernelTest.SIZES) {
      for (int threads = 1; threads <= 3; threads++) {
        sweep(size, threads);
      }
    }
  }

  private static void sweep(int size, int threads) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor a = KernelTest.guarded(arena, size, KernelTest.normal(size)).tensor();
      Tensor b = KernelTest.guarded(arena, size, KernelTest.normal(size + 1)).tensor();
      Tensor padded = Tensor.zeros(arena, size + 2 * GUARD);
      Tensor target = padded.slice(GUARD, Shape.of(size));
      Tensor expected = Tensor.zeros(arena, size);
      Roof.copy(target, a, threads);
      KernelTest.assertBitwise(a, target);
      for (long i = 0; i < size; i++) {
        expected.set(i, a.get(i) + 0.3f * b.get(i));
      }
      Roof.triad(target, a, b, 0.3f, threads);
      KernelTest.assertBitwise(expected, target);
      for (int i = 0; i < GUARD; i++) {
        assertEquals(0, padded.get(i));
        assertEquals(0, padded.get(GUARD + size + i));
      }
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor four = Tensor.zeros(arena, 4);
      Tensor other = Tensor.zeros(arena, 4);
      Tensor five = Tensor.zeros(arena, 5);
      Tensor misaligned = five.slice(1, Shape.of(4));
      assertThrows(IllegalArgumentException.class, () -> Roof.copy(four, five, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.copy(four, four, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.copy(misaligned, four, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.copy(four, other, 0));
      assertThrows(IllegalArgumentException.class, () -> Roof.triad(four, other, five, 1, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.triad(four, four, other, 1, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.triad(four, other, other, 1, 0));
      assertThrows(IllegalArgumentException.class, () -> Roof.multiplyAdd(0, 1));
      assertThrows(IllegalArgumentException.class, () -> Roof.multiplyAdd(1, 0));
    }
  }
}
