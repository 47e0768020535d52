package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;

/**
 * What tests of operations share: sizes by code path, seeded values, guarded memory, comparators.
 */
final class KernelTest {
  /** Around the widths and unrolls of every level, the chunk of reductions, and a prime. */
  static final int[] SIZES = {
    0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 67, 127, 129, 1009, 4095, 4096, 4097,
    20011
  };

  private static final float POISON = Float.intBitsToFloat(0x7fa5a5a5);
  private static final int GUARD = 64;

  /**
   * Whether the native library is the sanitized one, whose red zones around exact allocations catch
   * reads past the end as well.
   */
  static final boolean SANITIZED = Boolean.getBoolean("nepenthe.sanitized");

  private KernelTest() {}

  /** A tensor with poisoned floats around it, at an offset that leaves it 4-byte aligned only. */
  record Guarded(Tensor tensor, Tensor all) {
    /** Fails if a float outside the tensor was written. */
    void assertUntouched() {
      if (SANITIZED) {
        return;
      }
      long end = all.elements() - GUARD;
      for (long i = 0; i < GUARD; i++) {
        assertPoison(i);
        assertPoison(end + i);
      }
    }

    private void assertPoison(long i) {
      assertEquals(
          Float.floatToRawIntBits(POISON),
          Float.floatToRawIntBits(all.get(i)),
          "padding at " + (i - GUARD));
    }
  }

  /** {@code size} values from {@code values} between guards. */
  static Guarded guarded(Arena arena, long size, Values values) {
    Guarded guarded = SANITIZED ? exact(arena, size) : poisoned(arena, size);
    for (long i = 0; i < size; i++) {
      guarded.tensor.set(i, values.next());
    }
    return guarded;
  }

  private static Guarded poisoned(Arena arena, long size) {
    Tensor all = Tensor.zeros(arena, size + 2 * GUARD + 1).slice(1, Shape.of(size + 2 * GUARD));
    for (long i = 0; i < all.elements(); i++) {
      all.set(i, POISON);
    }
    return new Guarded(all.slice(GUARD, Shape.of(size)), all);
  }

  /**
   * At the end of an allocation of its own, for the red zone to follow at once: Java rounds sizes
   * up to 8 bytes, and a larger alignment than malloc's would pad them further.
   */
  private static Guarded exact(Arena arena, long size) {
    long room = Math.max(1, (size + 1) / 2) * 2;
    Tensor all = Tensor.of(arena.allocate(room * Float.BYTES, Float.BYTES), Shape.of(room));
    return new Guarded(all.slice(room - size, Shape.of(size)), all);
  }

  /** A source of values. */
  interface Values {
    float next();
  }

  /** Standard normal values. */
  static Values normal(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return () -> (float) random.nextGaussian();
  }

  /**
   * Small integers in [-bound, bound]: their sums and products are exact in float32 while they stay
   * below 2^24.
   */
  static Values integers(long seed, int bound) {
    SplittableRandom random = new SplittableRandom(seed);
    return () -> random.nextInt(2 * bound + 1) - bound;
  }

  static Tensor copy(Arena arena, Tensor source) {
    Tensor copy = Tensor.zeros(arena, source.shape());
    copy.copyFrom(source);
    return copy;
  }

  /** Fails unless every bit agrees; two NaNs agree only if their bits do. */
  static void assertBitwise(Tensor expected, Tensor actual) {
    assertEquals(expected.shape(), actual.shape());
    for (long i = 0; i < expected.elements(); i++) {
      int want = Float.floatToRawIntBits(expected.get(i));
      int got = Float.floatToRawIntBits(actual.get(i));
      if (want != got) {
        assertEquals(expected.get(i), actual.get(i), "value at " + i + " of " + expected.shape());
        assertEquals(want, got, "bits at " + i + " of " + expected.shape());
      }
    }
  }

  /**
   * Fails unless |got − reference| ≤ steps·u·magnitude everywhere, u = 2^-24. The magnitude is
   * Σ|terms|, computed beside the float64 reference; a NaN or an all-zero reference fails.
   */
  static void assertWithin(double[] reference, double[] magnitude, double steps, Tensor actual) {
    assertEquals(reference.length, actual.elements());
    String excess = firstExcess(reference, magnitude, steps, actual);
    assertTrue(excess.isEmpty(), excess);
    // Canary: the same comparison must catch one element pushed past its bound.
    if (reference.length > 0) {
      int at = reference.length / 2;
      float kept = actual.get(at);
      double outside = reference[at] + 4 * bound(magnitude[at], steps);
      actual.set(at, Math.max((float) outside, Math.nextUp((float) reference[at])));
      boolean caught = !firstExcess(reference, magnitude, steps, actual).isEmpty();
      actual.set(at, kept);
      assertTrue(caught, "the comparator let a wrong element at " + at + " pass");
    }
  }

  private static double bound(double magnitude, double steps) {
    return steps * 0x1p-24 * magnitude;
  }

  private static String firstExcess(
      double[] reference, double[] magnitude, double steps, Tensor actual) {
    boolean anything = reference.length == 0;
    for (int i = 0; i < reference.length; i++) {
      anything |= reference[i] != 0;
      double error = Math.abs(actual.get(i) - reference[i]);
      if (!(error <= bound(magnitude[i], steps))) {
        return "element "
            + i
            + ": got "
            + actual.get(i)
            + ", reference "
            + reference[i]
            + ", error "
            + error
            + ", bound "
            + bound(magnitude[i], steps);
      }
    }
    return anything ? "" : "the reference is zero everywhere: the comparison says nothing";
  }
}
