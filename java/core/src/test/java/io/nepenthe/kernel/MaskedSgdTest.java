package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class MaskedSgdTest {
  /** Worked by hand; all values are exact. */
  @Test
  void goldenSteps() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      for (boolean nesterov : new boolean[] {false, true}) {
        MaskedSgd.Options options = new MaskedSgd.Options(0.5f, 0.5f, 0.25f, nesterov, 0.5f);
        Tensor weights = Tensor.copyOf(arena, Shape.of(1), 4);
        Tensor velocity = Tensor.zeros(arena, 1);
        Tensor gradient = Tensor.copyOf(arena, Shape.of(1), 2);
        backend.sgd(weights, velocity, gradient, options);
        assertEquals(2, velocity.get(0));
        assertEquals(nesterov ? 2.5f : 3, weights.get(0));
        backend.sgd(weights, velocity, gradient, options);
        assertEquals(nesterov ? 2.625f : 2.75f, velocity.get(0));
        assertEquals(nesterov ? 1.03125f : 1.625f, weights.get(0));
      }
    }
  }

  @Test
  void maskedWeightsKeepTheirBits() {
    int n = 1009;
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Tensor weights = KernelTest.guarded(arena, n, KernelTest.normal(1)).tensor();
      Tensor velocity = KernelTest.guarded(arena, n, KernelTest.normal(2)).tensor();
      Mask.Part mask = every(arena, n, 3);
      // A signalling NaN, a subnormal and a negative zero must survive too.
      weights.set(0, Float.intBitsToFloat(0x7f800001));
      weights.set(2, Float.MIN_VALUE);
      weights.set(3, -0.0f);
      Tensor before = KernelTest.copy(arena, weights);
      for (int step = 0; step < 100; step++) {
        Tensor gradient = KernelTest.guarded(arena, n, KernelTest.normal(step)).tensor();
        gradient.set(5, Float.NaN);
        backend.maskedSgd(
            weights, velocity, gradient, mask, new MaskedSgd.Options(0.1f, 0.9f, 5e-4f, true, 1));
      }
      for (int j = 0; j < n; j++) {
        int was = Float.floatToRawIntBits(before.get(j));
        int is = Float.floatToRawIntBits(weights.get(j));
        if (mask.get(j)) {
          assertNotEquals(was, is, "a selected weight should move");
        } else {
          assertEquals(was, is);
          assertEquals(0, Float.floatToRawIntBits(velocity.get(j)));
        }
      }
    }
  }

  /** Bits 1, 1 + period, … */
  static Mask.Part every(Arena arena, long n, int period) {
    Mask.Part mask = Mask.zeros(arena, List.of(Shape.of(n))).part(0);
    for (long j = 1; j < n; j += period) {
      mask.set(j, true);
    }
    return mask;
  }

  static Mask.Part random(Arena arena, long n) {
    SplittableRandom random = new SplittableRandom(n);
    Mask.Part mask = Mask.zeros(arena, List.of(Shape.of(n))).part(0);
    for (long j = 0; j < n; j++) {
      mask.set(j, random.nextBoolean());
    }
    return mask;
  }

  @Test
  void agreesWithPlainJavaBitForBit() {
    for (int size : KernelTest.SIZES) {
      for (int threads = 1; threads <= 3; threads++) {
        compare(size, threads, false, false);
        compare(size, threads, true, false);
        compare(size, threads, true, true);
      }
    }
  }

  private static void compare(int size, int threads, boolean masked, boolean nesterov) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(threads).open()) {
      KernelTest.Guarded weights = KernelTest.guarded(arena, size, KernelTest.normal(size));
      KernelTest.Guarded velocity = KernelTest.guarded(arena, size, KernelTest.normal(size + 1));
      Tensor wantWeights = KernelTest.copy(arena, weights.tensor());
      Tensor wantVelocity = KernelTest.copy(arena, velocity.tensor());
      Optional<Mask.Part> mask = masked ? Optional.of(random(arena, size)) : Optional.empty();
      MaskedSgd.Options options = new MaskedSgd.Options(0.1f, 0.9f, 5e-4f, nesterov, -0.37f);
      for (int step = 0; step < 3; step++) {
        KernelTest.Guarded gradient = KernelTest.guarded(arena, size, KernelTest.normal(step));
        MaskedSgd.reference(wantWeights, wantVelocity, gradient.tensor(), mask, options);
        if (masked) {
          backend.maskedSgd(
              weights.tensor(), velocity.tensor(), gradient.tensor(), mask.get(), options);
        } else {
          backend.sgd(weights.tensor(), velocity.tensor(), gradient.tensor(), options);
        }
        KernelTest.assertBitwise(wantWeights, weights.tensor());
        KernelTest.assertBitwise(wantVelocity, velocity.tensor());
        gradient.assertUntouched();
      }
      weights.assertUntouched();
      velocity.assertUntouched();
    }
  }

  @Test
  void aFullMaskIsNoMask() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor[] weights = new Tensor[2];
      Tensor gradient = KernelTest.guarded(arena, 67, KernelTest.normal(3)).tensor();
      for (int i = 0; i < 2; i++) {
        weights[i] = KernelTest.guarded(arena, 67, KernelTest.normal(4)).tensor();
      }
      MaskedSgd.Options options = MaskedSgd.Options.of(0.1f, 0.9f, 0.01f).withGradientScale(2);
      backend.sgd(weights[0], Tensor.zeros(arena, 67), gradient, options);
      backend.maskedSgd(
          weights[1], Tensor.zeros(arena, 67), gradient, every(arena, 67, 1), options);
      assertNotEquals(weights[0].get(0), weights[1].get(0));
      assertArrayEquals(
          weights[0].slice(1, Shape.of(66)).toArray(), weights[1].slice(1, Shape.of(66)).toArray());
    }
  }

  @Test
  void refusesMisuse() {
    MaskedSgd.Options options = MaskedSgd.Options.of(0.1f, 0.9f, 0);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor w = Tensor.zeros(arena, 4);
      Tensor v = Tensor.zeros(arena, 4);
      Tensor g = Tensor.zeros(arena, 4);
      Tensor five = Tensor.zeros(arena, 5);
      Mask.Part wrong = every(arena, 5, 1);
      assertThrows(IllegalArgumentException.class, () -> backend.sgd(w, five, g, options));
      assertThrows(IllegalArgumentException.class, () -> backend.sgd(w, v, five, options));
      assertThrows(IllegalArgumentException.class, () -> backend.sgd(w, w, g, options));
      assertThrows(IllegalArgumentException.class, () -> backend.sgd(w, v, w, options));
      assertThrows(IllegalArgumentException.class, () -> backend.sgd(w, v, v, options));
      assertThrows(
          IllegalArgumentException.class, () -> backend.maskedSgd(w, v, g, wrong, options));
      Mask.Part two = every(arena, 2, 1);
      Tensor inside = Tensor.of(two.segment(), Shape.of(2));
      Tensor small = Tensor.zeros(arena, 2);
      Tensor other = Tensor.zeros(arena, 2);
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.maskedSgd(inside, small, other, two, options));
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.maskedSgd(small, inside, other, two, options));
      for (float bad : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
        assertThrows(IllegalArgumentException.class, () -> MaskedSgd.Options.of(bad, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> MaskedSgd.Options.of(0, bad, 0));
        assertThrows(IllegalArgumentException.class, () -> MaskedSgd.Options.of(0, 0, bad));
      }
      assertThrows(IllegalArgumentException.class, () -> options.withGradientScale(Float.NaN));
      assertThrows(IllegalArgumentException.class, () -> options.withLearningRate(-1));
      Arena closed = Arena.ofConfined();
      Tensor gone = Tensor.zeros(closed, 4);
      Mask.Part goneMask = every(closed, 4, 1);
      closed.close();
      assertThrows(IllegalStateException.class, () -> backend.sgd(w, v, gone, options));
      assertThrows(
          IllegalStateException.class, () -> backend.maskedSgd(w, v, g, goneMask, options));
    }
  }
}
