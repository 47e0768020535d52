package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * M = Q diag(d) Qᵀ of a symmetric matrix, in float64: LAPACK's dsyevd (divide and conquer; Anderson
 * et al., LAPACK Users' Guide). Eigenvalues ascend, eigenvectors are the columns of Q. Where
 * eigenvalues coincide, or nearly do, Q is one of many.
 *
 * @param size n
 * @param values n eigenvalues, ascending
 * @param vectors n × n, row-major: {@code vectors[i·n + k]} is component i of eigenvector k
 */
public record SymmetricEigen(int size, double[] values, double[] vectors) {
  private static final int COLUMN_MAJOR = 102;
  private static final double MOST_DEVIATION = 1e-5;

  /** LAPACK, opened at the first use. */
  private static final class Lapack {
    static final MethodHandle DSYEVD =
        NativeLibrary.lapack(
            "LAPACKE_dsyevd",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_BYTE,
                ValueLayout.JAVA_BYTE,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS));
  }

  /**
   * Decomposes a matrix on the processor; ½(M + Mᵀ) is what is taken.
   *
   * @param matrix n × n, row-major; not changed
   * @throws IllegalArgumentException if it is not of n² values, or one is not finite
   * @throws NativeException if LAPACK fails, or the vectors are not orthonormal within 10⁻⁵
   */
  public static SymmetricEigen of(double[] matrix, int n) {
    return of(matrix, n, SymmetricEigen::lapack);
  }

  /**
   * A matrix to decompose.
   *
   * @param values n × n, row-major
   * @param size n
   */
  public record Matrix(double[] values, int size) {}

  /** What decomposes. */
  interface Solver {
    /**
     * @param matrix n × n symmetric; on return row k is eigenvector k
     * @param values n; on return ascending
     * @return 0, or what went wrong
     */
    int solve(int n, MemorySegment matrix, MemorySegment values);
  }

  private static int lapack(int n, MemorySegment matrix, MemorySegment values) {
    try {
      return (int)
          Lapack.DSYEVD.invokeExact(COLUMN_MAJOR, (byte) 'V', (byte) 'L', n, matrix, n, values);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The same by a solver. */
  static SymmetricEigen of(double[] matrix, int n, Solver solver) {
    if (n < 1 || matrix.length != (long) n * n) {
      throw new IllegalArgumentException(
          "a matrix of " + n + " × " + n + " has other than " + matrix.length + " values");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment a = arena.allocate((long) n * n * Double.BYTES, 64);
      MemorySegment w = arena.allocate((long) n * Double.BYTES, 64);
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          double value = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
          if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(
                "the matrix is not finite at row " + i + ", column " + j);
          }
          a.setAtIndex(ValueLayout.JAVA_DOUBLE, (long) i * n + j, value);
        }
      }
      int status = solver.solve(n, a, w);
      if (status != 0) {
        throw new NativeException("syevd failed on " + n + " × " + n + ": " + status);
      }
      double[] values = w.toArray(ValueLayout.JAVA_DOUBLE);
      double[] rows = a.toArray(ValueLayout.JAVA_DOUBLE);
      double deviation = deviation(rows, n);
      if (!(deviation < MOST_DEVIATION)) {
        throw new NativeException(
            "eigenvectors of " + n + " × " + n + " are not orthonormal: off by " + deviation);
      }
      return new SymmetricEigen(n, values, transposed(rows, n));
    }
  }

  /** Row-major, the columns that LAPACK wrote are rows. */
  private static double[] transposed(double[] rows, int n) {
    double[] columns = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < n; k++) {
        columns[i * n + k] = rows[k * n + i];
      }
    }
    return columns;
  }

  /**
   * How far Q is from orthonormal: max |QQᵀx − x| over eight vectors x of random signs, in which a
   * deviation of one entry of QQᵀ − I shows as such. It takes n², not n³, operations a vector.
   */
  private static double deviation(double[] rows, int n) {
    double worst = 0;
    for (int probe = 0; probe < 8; probe++) {
      double[] x = new double[n];
      for (int i = 0; i < n; i++) {
        x[i] = Philox.uniform(probe, n, i) < 0.5 ? -1 : 1;
      }
      double[] y = new double[n];
      for (int k = 0; k < n; k++) {
        double dot = 0;
        for (int i = 0; i < n; i++) {
          dot += rows[k * n + i] * x[i];
        }
        for (int i = 0; i < n; i++) {
          y[i] += dot * rows[k * n + i];
        }
      }
      for (int i = 0; i < n; i++) {
        worst = Math.max(worst, Math.abs(y[i] - x[i]));
      }
    }
    return worst;
  }
}
