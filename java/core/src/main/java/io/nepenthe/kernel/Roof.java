package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import java.lang.invoke.MethodHandle;

/**
 * A measuring tool, not an operation: work whose speed is the processor's limit, for benchmarks to
 * time and compare kernels with (Williams, Waterman, Patterson: Roofline, CACM 2009). A kernel that
 * moves B bytes and does F operations cannot take less than max(B / {@link #triad} rate, F / {@link
 * #multiplyAdd} rate).
 *
 * <p>Stores bypass the cache on x86-64, so that the counted bytes are the moved ones. A kernel that
 * mostly reads, or whose data partly stays in the cache, may pass the triad's rate by a little.
 */
public final class Roof {
  private static final MethodHandle MULTIPLY_ADD =
      NativeLibrary.function("nep_roof_multiply_add", LONG, LONG, INT);
  private static final MethodHandle COPY =
      NativeLibrary.action("nep_roof_copy", POINTER, POINTER, LONG, INT);
  private static final MethodHandle TRIAD =
      NativeLibrary.action("nep_roof_triad", POINTER, POINTER, POINTER, FLOAT, LONG, INT);

  private Roof() {}

  /**
   * Runs independent chains of vector multiply-adds in the registers of each thread, at the
   * instruction-set level chosen at load; without FMA (x86-64-v2) a multiplication and an addition.
   *
   * @param steps the length of each chain
   * @return the operations done by all threads, a multiply-add counting two
   * @throws IllegalArgumentException if an argument is not positive
   */
  public static long multiplyAdd(long steps, int threads) {
    Checks.positive("steps", steps);
    Checks.positive("threads", threads);
    try {
      return (long) MULTIPLY_ADD.invokeExact(steps, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /**
   * {@code target[i] = source[i]}.
   *
   * @param target 64-byte aligned, of {@code source}'s shape
   * @throws IllegalArgumentException if shapes differ, the target is misaligned or overlaps the
   *     source, or {@code threads} is not positive
   */
  public static void copy(Tensor target, Tensor source, int threads) {
    check(target, "source", source);
    Checks.positive("threads", threads);
    try {
      COPY.invokeExact(target.segment(), source.segment(), target.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /**
   * {@code target[i] = a[i] + scale·b[i]}, the product rounded before the sum.
   *
   * @param target 64-byte aligned, of the shape of {@code a} and {@code b}
   * @throws IllegalArgumentException if shapes differ, the target is misaligned or overlaps
   *     another, or {@code threads} is not positive
   */
  public static void triad(Tensor target, Tensor a, Tensor b, float scale, int threads) {
    check(target, "a", a);
    check(target, "b", b);
    Checks.positive("threads", threads);
    try {
      TRIAD.invokeExact(
          target.segment(), a.segment(), b.segment(), scale, target.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The bytes that {@link #copy} moves for n elements: a read and a write. */
  public static long copyBytes(long n) {
    return 2 * Float.BYTES * n;
  }

  /** The bytes that {@link #triad} moves for n elements: two reads and a write. */
  public static long triadBytes(long n) {
    return 3 * Float.BYTES * n;
  }

  private static void check(Tensor target, String name, Tensor input) {
    Checks.shape(name, input, target.shape());
    Checks.disjoint("target", target, name, input);
    if (target.segment().address() % Tensor.ALIGNMENT != 0) {
      throw new IllegalArgumentException(
          "target must be aligned to " + Tensor.ALIGNMENT + " bytes");
    }
  }
}
