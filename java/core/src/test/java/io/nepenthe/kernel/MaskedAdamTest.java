package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class MaskedAdamTest {
  /**
   * The bias correction makes the first step as long as the learning rate, whatever the gradient.
   */
  @Test
  void firstStepHasTheLengthOfTheRate() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor weights = Tensor.copyOf(arena, Shape.of(3), 1, 1, 1);
      Tensor gradient = Tensor.copyOf(arena, Shape.of(3), 3, -1e-3f, 0);
      backend.adam(
          weights,
          Tensor.zeros(arena, 3),
          Tensor.zeros(arena, 3),
          gradient,
          1,
          MaskedAdam.Options.adam(0.125f));
      assertEquals(0.875, weights.get(0), 1e-6);
      assertEquals(1.125, weights.get(1), 3e-6); // epsilon is a hundred-thousandth of the gradient
      assertEquals(1, weights.get(2));
    }
  }

  /** Both decays against the published recursion in float64, 100 steps. */
  @Test
  void followsTheRecursionInDouble() {
    for (boolean decoupled : new boolean[] {false, true}) {
      try (Arena arena = Arena.ofConfined();
          Backend backend = Device.cpu(1).open()) {
        MaskedAdam.Options options =
            new MaskedAdam.Options(0.01f, 0.9, 0.999, 1e-8f, 0.125f, decoupled, 0.5f);
        Tensor weights = Tensor.copyOf(arena, Shape.of(1), 2);
        Tensor first = Tensor.zeros(arena, 1);
        Tensor second = Tensor.zeros(arena, 1);
        Tensor gradient = Tensor.zeros(arena, 1);
        KernelTest.Values normal = KernelTest.normal(5);
        double theta = 2;
        double m = 0;
        double v = 0;
        for (int t = 1; t <= 100; t++) {
          gradient.set(0, normal.next() + 1);
          double g = gradient.get(0) * 0.5 + (decoupled ? 0 : 0.125 * theta);
          m = 0.9 * m + 0.1 * g;
          v = 0.999 * v + 0.001 * g * g;
          double corrected = m / (1 - Math.pow(0.9, t));
          double spread = Math.sqrt(v / (1 - Math.pow(0.999, t))) + 1e-8;
          theta = theta * (decoupled ? 1 - 0.01 * 0.125 : 1) - 0.01 * corrected / spread;
          backend.adam(weights, first, second, gradient, t, options);
        }
        // 100 steps, each of a dozen roundings of values no larger than 2.
        assertEquals(theta, weights.get(0), 100 * 12 * 0x1p-24 * 2);
        assertTrue(Math.abs(theta - 2) > 0.3, "the weight hardly moved");
      }
    }
  }

  @Test
  void maskedWeightsKeepTheirBits() {
    int n = 1009;
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Tensor weights = KernelTest.guarded(arena, n, KernelTest.normal(1)).tensor();
      Tensor first = KernelTest.guarded(arena, n, KernelTest.normal(2)).tensor();
      Tensor second = KernelTest.guarded(arena, n, () -> 1).tensor();
      Mask.Part mask = MaskedSgdTest.every(arena, n, 3);
      weights.set(0, Float.intBitsToFloat(0x7f800001));
      weights.set(3, -0.0f);
      Tensor before = KernelTest.copy(arena, weights);
      for (int step = 1; step <= 100; step++) {
        Tensor gradient = KernelTest.guarded(arena, n, KernelTest.normal(step)).tensor();
        gradient.set(5, Float.NaN);
        backend.maskedAdam(
            weights, first, second, gradient, mask, step, MaskedAdam.Options.adamW(0.01f, 0.1f));
      }
      for (int j = 0; j < n; j++) {
        int was = Float.floatToRawIntBits(before.get(j));
        int is = Float.floatToRawIntBits(weights.get(j));
        if (mask.get(j)) {
          assertNotEquals(was, is, "a selected weight should move");
        } else {
          assertEquals(was, is);
          assertEquals(0, Float.floatToRawIntBits(first.get(j)));
          assertEquals(0, Float.floatToRawIntBits(second.get(j)));
        }
      }
    }
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

  private static void compare(int size, int threads, boolean masked, boolean decoupled) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(threads).open()) {
      KernelTest.Guarded weights = KernelTest.guarded(arena, size, KernelTest.normal(size));
      KernelTest.Guarded first = KernelTest.guarded(arena, size, () -> 0);
      KernelTest.Guarded second = KernelTest.guarded(arena, size, () -> 0);
      Tensor wantWeights = KernelTest.copy(arena, weights.tensor());
      Tensor wantFirst = KernelTest.copy(arena, first.tensor());
      Tensor wantSecond = KernelTest.copy(arena, second.tensor());
      Optional<Mask.Part> mask =
          masked ? Optional.of(MaskedSgdTest.random(arena, size)) : Optional.empty();
      MaskedAdam.Options options =
          new MaskedAdam.Options(0.01f, 0.9, 0.999, 1e-8f, 0.1f, decoupled, -0.37f);
      for (int step = 1; step <= 3; step++) {
        KernelTest.Guarded gradient = KernelTest.guarded(arena, size, KernelTest.normal(step));
        Tensor g = gradient.tensor();
        MaskedAdam.reference(wantWeights, wantFirst, wantSecond, g, mask, step, options);
        if (masked) {
          backend.maskedAdam(
              weights.tensor(), first.tensor(), second.tensor(), g, mask.get(), step, options);
        } else {
          backend.adam(weights.tensor(), first.tensor(), second.tensor(), g, step, options);
        }
        KernelTest.assertBitwise(wantWeights, weights.tensor());
        KernelTest.assertBitwise(wantFirst, first.tensor());
        KernelTest.assertBitwise(wantSecond, second.tensor());
        gradient.assertUntouched();
      }
      weights.assertUntouched();
      first.assertUntouched();
      second.assertUntouched();
    }
  }

  @Test
  void refusesMisuse() {
    MaskedAdam.Options options = MaskedAdam.Options.adam(0.1f);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor[] good = new Tensor[4];
      for (int i = 0; i < 4; i++) {
        good[i] = Tensor.zeros(arena, 4);
      }
      Mask.Part mask = MaskedSgdTest.every(arena, 4, 1);
      Mask.Part wrong = MaskedSgdTest.every(arena, 5, 1);
      assertThrows(IllegalArgumentException.class, () -> adam(backend, good, wrong, 1, options));
      assertThrows(IllegalArgumentException.class, () -> adam(backend, good, mask, 0, options));
      Arena closed = Arena.ofConfined();
      Tensor gone = Tensor.zeros(closed, 4);
      closed.close();
      for (int i = 0; i < 4; i++) {
        Tensor[] other = good.clone();
        other[i] = Tensor.zeros(arena, 5);
        assertThrows(IllegalArgumentException.class, () -> adam(backend, other, mask, 1, options));
        Tensor[] shared = good.clone();
        shared[i] = good[(i + 1) % 4];
        assertThrows(IllegalArgumentException.class, () -> adam(backend, shared, mask, 1, options));
        Tensor[] dead = good.clone();
        dead[i] = gone;
        assertThrows(IllegalStateException.class, () -> adam(backend, dead, mask, 1, options));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> new MaskedAdam.Options(1, 1, 0.9, 1e-8f, 0, false, 1));
      assertThrows(
          IllegalArgumentException.class,
          () -> new MaskedAdam.Options(1, 0.9, Double.NaN, 1e-8f, 0, false, 1));
      assertThrows(
          IllegalArgumentException.class,
          () -> new MaskedAdam.Options(1, 0.9, 0.9, 0, 0, false, 1));
      assertThrows(IllegalArgumentException.class, () -> options.withLearningRate(-1));
      assertThrows(IllegalArgumentException.class, () -> options.withGradientScale(Float.NaN));
    }
  }

  private static void adam(
      Backend backend, Tensor[] t, Mask.Part mask, long step, MaskedAdam.Options options) {
    backend.maskedAdam(t[0], t[1], t[2], t[3], mask, step, options);
  }
}
