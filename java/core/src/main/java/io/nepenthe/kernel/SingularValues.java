package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * M = U diag(σ) Vᵀ of an m × n matrix, in float64: LAPACK's dgesdd (divide and conquer; Anderson et
 * al., LAPACK Users' Guide). Cut off after r terms it is the nearest matrix of rank r. It owns its
 * memory, which lies outside the heap.
 */
public final class SingularValues implements AutoCloseable {
  private static final int COLUMN_MAJOR = 102;

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

  private final Arena arena = Arena.ofShared();
  private final long rows;
  private final long columns;
  private final MemorySegment values;
  private final MemorySegment left;
  private final MemorySegment right;

  private SingularValues(long rows, long columns) {
    this.rows = rows;
    this.columns = columns;
    this.values = doubles(count());
    this.left = doubles(rows * count());
    this.right = doubles(count() * columns);
  }

  private MemorySegment doubles(long n) {
    return arena.allocate(ValueLayout.JAVA_DOUBLE, n);
  }

  /**
   * Decomposes a matrix.
   *
   * @param matrix [m, n]
   * @throws IllegalArgumentException if it has other dimensions or none, or a value is not finite
   * @throws NativeException if LAPACK fails
   */
  public static SingularValues of(Tensor matrix) {
    Shape shape = matrix.shape();
    if (shape.rank() != 2 || shape.elements() == 0) {
      throw new IllegalArgumentException("a matrix is needed, found shape " + shape);
    }
    SingularValues found = new SingularValues(shape.size(0), shape.size(1));
    try {
      found.decompose(matrix);
      return found;
    } catch (Throwable thrown) {
      found.close();
      throw NativeLibrary.rethrow(thrown);
    }
  }

  private void decompose(Tensor matrix) throws Throwable {
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment a = scratch.allocate(ValueLayout.JAVA_DOUBLE, matrix.elements());
      for (long i = 0; i < matrix.elements(); i++) {
        float value = matrix.get(i);
        if (!Float.isFinite(value)) {
          throw new IllegalArgumentException("the matrix is not finite");
        }
        a.setAtIndex(ValueLayout.JAVA_DOUBLE, i, value);
      }
      int m = Math.toIntExact(rows);
      int n = Math.toIntExact(columns);
      int k = Math.min(m, n);
      // Row by row, M is column by column Mᵀ = V diag(σ) Uᵀ: LAPACK need not copy what it is given.
      int status =
          (int)
              Lapack.DGESDD.invokeExact(
                  COLUMN_MAJOR, (byte) 'S', n, m, a, n, values, right, n, left, k);
      if (status != 0) {
        throw new NativeException("LAPACK's dgesdd failed on " + m + " × " + n + ": " + status);
      }
    }
  }

  /** How many singular values there are: the smaller side. */
  public long count() {
    return Math.min(rows, columns);
  }

  /** σ, descending. */
  public double value(long term) {
    return values.getAtIndex(ValueLayout.JAVA_DOUBLE, term);
  }

  /** U. */
  public double left(long row, long term) {
    return left.getAtIndex(ValueLayout.JAVA_DOUBLE, row * count() + term);
  }

  /** Vᵀ. */
  public double right(long term, long column) {
    return right.getAtIndex(ValueLayout.JAVA_DOUBLE, term * columns + column);
  }

  /** The bytes that a decomposition takes while it is made: matrix, result, LAPACK's workspace. */
  public static long bytes(long m, long n) {
    long least = Math.min(m, n);
    // As dgesdd asks for it, from LAPACK 3.7 on: it first takes the QR decomposition of what is
    // much longer than wide.
    long workspace = (6 * Math.max(m, n) < 11 * least ? 3 : 4) * least * least;
    return Double.BYTES * (m * n + least * (m + n) + workspace);
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
