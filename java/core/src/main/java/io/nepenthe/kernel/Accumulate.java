package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.invoke.MethodHandle;

/**
 * Accumulation over many batches or samples into a {@link DriftFreeSum}: for each term x, in order,
 *
 * <pre>
 *   rest[j]  ←  rest[j] + f(x[j])          f(x) = x,  |x|,  or  x·x (rounded, then added)
 *   every 64 terms:  (sum[j], rest[j])  ←  TwoSum(sum[j], rest[j])
 * </pre>
 *
 * <p>|x| makes gradient-magnitude importances (SSD without labels, saliency), x·x squared-gradient
 * ones. Elementwise in float32: the reference and every instruction set agree bit for bit, whatever
 * the number of threads and however the terms were grouped into calls. A NaN or an infinity among
 * the terms makes that element's value not finite.
 */
public final class Accumulate {
  private static final MethodHandle CPU =
      NativeLibrary.action("nep_accumulate", POINTER, POINTER, POINTER, LONG, LONG, INT, INT, INT);

  private Accumulate() {}

  /** What of each value is added; the ordinal is the native code's. */
  enum Kind {
    VALUE,
    ABSOLUTE,
    SQUARE;

    float of(float x) {
      return switch (this) {
        case VALUE -> x;
        case ABSOLUTE -> Math.abs(x);
        case SQUARE -> x * x;
      };
    }
  }

  /** The bytes moved for one term of n values, folds included: x, rest twice, 2/64 of sum. */
  public static long bytes(long n) {
    return 3 * Float.BYTES * n + 2 * Float.BYTES * n / DriftFreeSum.PERIOD;
  }

  /** The operations for one term of n values: square, add, and a 64th of a TwoSum's six. */
  public static long flops(long n) {
    return 2 * n + 6 * n / DriftFreeSum.PERIOD;
  }

  static void cpu(DriftFreeSum state, Tensor terms, Kind kind, int threads) {
    long rows = check(state, terms);
    try {
      CPU.invokeExact(
          state.sum().segment(),
          state.rest().segment(),
          terms.segment(),
          rows,
          state.shape().elements(),
          kind.ordinal(),
          state.phase(),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
    state.advance(rows);
  }

  /** The same in plain Java. */
  static void reference(DriftFreeSum state, Tensor terms, Kind kind) {
    long rows = check(state, terms);
    long n = state.shape().elements();
    for (long row = 0; row < rows; row++) {
      for (long j = 0; j < n; j++) {
        state.rest().set(j, state.rest().get(j) + kind.of(terms.get(row * n + j)));
      }
      state.advance(1);
      if (state.phase() == 0) {
        fold(state.sum(), state.rest());
      }
    }
  }

  private static void fold(Tensor sum, Tensor rest) {
    for (long j = 0; j < sum.elements(); j++) {
      float a = sum.get(j);
      float b = rest.get(j);
      float s = a + b;
      float shown = s - a;
      rest.set(j, (a - (s - shown)) + (b - shown));
      sum.set(j, s);
    }
  }

  /** The number of terms: 1 for the state's shape, N for N of them. */
  static long check(DriftFreeSum state, Tensor terms) {
    Shape one = state.shape();
    Shape given = terms.shape();
    boolean many = given.rank() == one.rank() + 1;
    for (int axis = 0; many && axis < one.rank(); axis++) {
      many = given.size(axis + 1) == one.size(axis);
    }
    if (!many && !given.equals(one)) {
      throw new IllegalArgumentException(
          "terms must have shape " + one + ", or that after a leading dimension, found " + given);
    }
    Checks.disjoint("sum", state.sum(), "terms", terms);
    Checks.disjoint("rest", state.rest(), "terms", terms);
    return many ? given.size(0) : 1;
  }
}
