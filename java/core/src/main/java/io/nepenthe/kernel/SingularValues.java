package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * M = U diag(σ) Vᵀ of a matrix, in float64: LAPACK's dgesdd (divide and conquer; Anderson et al.,
 * LAPACK Users' Guide). Cut off after r terms it is the nearest matrix of rank r.
 *
 * @param rows m
 * @param columns n
 * @param values min(m, n) singular values, descending
 * @param left m × min(m, n), row-major: the vectors are columns
 * @param right min(m, n) × n, row-major: the vectors are rows
 */
public record SingularValues(
    int rows, int columns, double[] values, double[] left, double[] right) {
  private static final int ROW_MAJOR = 101;

  /** LAPACK, opened at the first use. */
  private static final class Lapack {
    static final MethodHandle DGESDD =
        NativeLibrary.lapack(
            "LAPACKE_dgesdd",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_BYTE,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT));
  }

  /**
   * Decomposes a matrix.
   *
   * @param matrix m × n, row-major; not changed
   * @throws IllegalArgumentException if it is not of m·n values, or one is not finite
   * @throws NativeException if LAPACK fails
   */
  public static SingularValues of(double[] matrix, int m, int n) {
    if (m < 1 || n < 1 || matrix.length != (long) m * n) {
      throw new IllegalArgumentException(
          "a matrix of " + m + " × " + n + " has other than " + matrix.length + " values");
    }
    for (double value : matrix) {
      if (!Double.isFinite(value)) {
        throw new IllegalArgumentException("the matrix is not finite");
      }
    }
    int k = Math.min(m, n);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment a = arena.allocateFrom(ValueLayout.JAVA_DOUBLE, matrix);
      MemorySegment s = arena.allocate(ValueLayout.JAVA_DOUBLE, k);
      MemorySegment u = arena.allocate(ValueLayout.JAVA_DOUBLE, (long) m * k);
      MemorySegment vt = arena.allocate(ValueLayout.JAVA_DOUBLE, (long) k * n);
      int status =
          (int) Lapack.DGESDD.invokeExact(ROW_MAJOR, (byte) 'S', m, n, a, n, s, u, k, vt, n);
      if (status != 0) {
        throw new NativeException("LAPACK's dgesdd failed on " + m + " × " + n + ": " + status);
      }
      return new SingularValues(
          m,
          n,
          s.toArray(ValueLayout.JAVA_DOUBLE),
          u.toArray(ValueLayout.JAVA_DOUBLE),
          vt.toArray(ValueLayout.JAVA_DOUBLE));
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }
}
