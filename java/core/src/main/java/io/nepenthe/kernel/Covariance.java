package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The uncentred covariance of a layer's inputs or output gradients, the Kronecker factors'
 * accumulation. For each sample n with unfolded rows āₙ [T, J] and, with a bias, a constant 1 as
 * feature J + 1,
 *
 * <pre>
 *   EXPAND   C  +=  Σₜ āₙ[t] āₙ[t]ᵀ
 *   MEAN     C  +=  m mᵀ,  m = Σₜ āₙ[t] / T
 *   SUM      C  +=  s sᵀ,  s = Σₜ āₙ[t]
 * </pre>
 *
 * <p>(Martens, Grosse 2015; for shared weights Grosse, Martens 2016 and Eschenhagen et al. 2023,
 * which name the first "expand" and the others "reduce".) Positions that a mask leaves out count
 * neither in the sums nor in T. Each group of a convolution has a matrix of its own. The unfolded
 * input never reaches memory.
 *
 * <p>Only the half on and above the diagonal is computed; what lies below has no meaning until
 * {@link #mirror}.
 *
 * <p>Matrix-like: within {@code steps · 2⁻²⁴ · Σ|terms|} of the exact sum, where steps is 64·T + 16
 * for EXPAND with T &lt; 32, 2T + 16 from there on (on a CUDA device T + 80), 2T + 84 for the
 * pooled ones. On one machine the bits depend neither on threads nor on how samples are split into
 * batches; on a device, in FP32 only.
 */
public final class Covariance {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_covariance_workspace", LONG, POINTER, INT, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_covariance",
          POINTER,
          POINTER,
          POINTER,
          INT,
          INT,
          INT,
          POINTER,
          POINTER,
          POINTER,
          INT);

  /** From here on every sample's sum is folded on its own. */
  private static final long MANY_POSITIONS = 32;

  private Covariance() {}

  /** What the positions that share a weight count as. */
  public enum Sharing {
    /** Each position is an example of its own. */
    EXPAND,
    /** A sample's row is the mean of its positions: for inputs, in "reduce". */
    MEAN,
    /** A sample's row is the sum of its positions: for output gradients, in "reduce". */
    SUM
  }

  /** The least bytes moved: the input read once, half of both planes read and written. */
  public static long bytes(long inputElements, long features) {
    return Float.BYTES * (inputElements + 2 * features * (features + 1));
  }

  /** The operations on the half that is computed, for {@code rows} rows in all. */
  public static long flops(long rows, long features) {
    return rows * features * (features + 1);
  }

  static void cpu(
      LayerGeometry geometry,
      Tensor input,
      MemorySegment mask,
      boolean bias,
      Sharing sharing,
      DriftFreeSum covariance,
      Workspace workspace,
      int threads) {
    check(geometry, input, mask, bias, covariance);
    if (input.elements() > 0) {
      try (Workspace.Turn turn = workspace.begin()) {
        MemorySegment sizes = geometry.reserve(turn, 0);
        long needed = (long) WORKSPACE.invokeExact(sizes, bias ? 1 : 0, threads);
        MemorySegment block = geometry.reserve(turn, needed);
        CPU.invokeExact(
            input.segment(),
            mask,
            block,
            bias ? 1 : 0,
            sharing.ordinal(),
            covariance.phase(),
            covariance.sum().segment(),
            covariance.rest().segment(),
            turn.after(LayerGeometry.BYTES),
            threads);
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }
    covariance.advance(geometry.samples());
  }

  /** [features, features], with a leading dimension where there are several groups. */
  static Shape shape(LayerGeometry geometry, boolean bias) {
    long size = geometry.features(bias);
    long groups = geometry.convolution().groups();
    return groups == 1 ? Shape.of(size, size) : Shape.of(groups, size, size);
  }

  static void check(
      LayerGeometry geometry,
      Tensor input,
      MemorySegment mask,
      boolean bias,
      DriftFreeSum covariance) {
    Checks.shape("covariance", covariance.sum(), shape(geometry, bias));
    Checks.untouched(covariance, "input", input);
    if (mask.equals(MemorySegment.NULL)) {
      return;
    }
    long count = geometry.samples() * geometry.positions();
    if (!mask.isNative() || mask.byteSize() != count) {
      throw new IllegalArgumentException(
          "mask must be native memory of " + count + " bytes, found " + mask.byteSize());
    }
    Checks.untouched(covariance, "mask", mask);
  }

  /**
   * Copies the half above the diagonal to the half below.
   *
   * @param matrix [features, features] or [groups, features, features]
   */
  public static void mirror(Tensor matrix) {
    long size = matrix.shape().size(matrix.shape().rank() - 1);
    long each = size * size;
    for (long first = 0; first < matrix.elements(); first += each) {
      for (long i = 0; i < size; i++) {
        for (long j = 0; j < i; j++) {
          matrix.set(first + i * size + j, matrix.get(first + j * size + i));
        }
      }
    }
  }

  /** The same in float64 and plain Java; what lies below the diagonal is mirrored. */
  static SquareGradients.Reference reference(
      LayerGeometry geometry, Tensor input, MemorySegment mask, boolean bias, Sharing sharing) {
    int size = Math.toIntExact(geometry.features(bias));
    int groups = geometry.convolution().groups();
    int count = groups * size * size;
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[count], new double[count]);
    for (long n = 0; n < geometry.samples(); n++) {
      for (int group = 0; group < groups; group++) {
        double[][] rows = rows(geometry, input, mask, bias, n, group);
        for (double[] row : sharing == Sharing.EXPAND ? rows : pooled(rows, size, sharing)) {
          for (int i = 0; i < size; i++) {
            for (int j = 0; j < size; j++) {
              int at = (group * size + i) * size + j;
              result.sum()[at] += row[i] * row[j];
              result.magnitude()[at] += row[size + i] * row[size + j];
            }
          }
        }
      }
    }
    return result;
  }

  /** The rows of a sample that the mask keeps: values, then their absolute values. */
  private static double[][] rows(
      LayerGeometry geometry,
      Tensor input,
      MemorySegment mask,
      boolean bias,
      long sample,
      int group) {
    int size = Math.toIntExact(geometry.features(bias));
    double[][] rows = new double[Math.toIntExact(geometry.positions())][];
    int kept = 0;
    for (long t = 0; t < geometry.positions(); t++) {
      long at = sample * geometry.positions() + t;
      if (mask.equals(MemorySegment.NULL) || mask.get(ValueLayout.JAVA_BYTE, at) != 0) {
        double[] row = new double[2 * size];
        for (int j = 0; j < size; j++) {
          row[j] = geometry.feature(input, sample, t, group, j);
          row[size + j] = Math.abs(row[j]);
        }
        rows[kept++] = row;
      }
    }
    return java.util.Arrays.copyOf(rows, kept);
  }

  private static double[][] pooled(double[][] rows, int size, Sharing sharing) {
    double[] sum = new double[2 * size];
    for (double[] row : rows) {
      for (int j = 0; j < 2 * size; j++) {
        sum[j] += row[j] / (sharing == Sharing.MEAN ? rows.length : 1);
      }
    }
    return new double[][] {sum};
  }

  /** The documented bound's factor of 2⁻²⁴ · Σ|terms|, on the processor. */
  static double steps(long positions, Sharing sharing) {
    if (sharing != Sharing.EXPAND) {
      return 2 * positions + DriftFreeSum.PERIOD + 20;
    }
    return (positions < MANY_POSITIONS ? DriftFreeSum.PERIOD * positions : 2 * positions) + 16;
  }
}
