package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Bindings of native/src/kernels/{activation,batch_norm}.cpp; others are in {@link CpuPool}, {@link
 * CpuPad} and {@link CpuBatchNormRelu}.
 */
final class CpuDense implements Dense {
  private static final MethodHandle RELU =
      NativeLibrary.action("nep_relu", POINTER, POINTER, LONG, INT);
  private static final MethodHandle RELU_GRADIENT =
      NativeLibrary.action("nep_relu_gradient", POINTER, POINTER, POINTER, LONG, INT);
  private static final MethodHandle CELU =
      NativeLibrary.action("nep_celu", POINTER, POINTER, LONG, FLOAT, INT);
  private static final MethodHandle CELU_GRADIENT =
      NativeLibrary.action("nep_celu_gradient", POINTER, POINTER, POINTER, LONG, FLOAT, INT);
  private static final MethodHandle ADD =
      NativeLibrary.action("nep_add", POINTER, POINTER, POINTER, LONG, INT);
  private static final MethodHandle MULTIPLY_ROWS =
      NativeLibrary.action("nep_multiply_rows", POINTER, POINTER, LONG, LONG, INT);
  private static final MethodHandle DROPOUT =
      NativeLibrary.action("nep_dropout", POINTER, POINTER, LONG, LONG, LONG, FLOAT, INT);
  private static final MethodHandle STATISTICS =
      NativeLibrary.action(
          "nep_batch_norm_statistics", POINTER, LONG, LONG, POINTER, POINTER, POINTER, INT);
  private static final MethodHandle NORMALISE =
      NativeLibrary.action(
          "nep_batch_norm",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          FLOAT,
          POINTER,
          POINTER,
          LONG,
          LONG,
          INT);
  private static final MethodHandle SUMS =
      NativeLibrary.action(
          "nep_batch_norm_sums", POINTER, POINTER, LONG, LONG, POINTER, POINTER, INT, POINTER, INT);
  private static final MethodHandle NORMALISE_GRADIENT =
      NativeLibrary.action(
          "nep_batch_norm_gradient",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          FLOAT,
          POINTER,
          POINTER,
          INT,
          POINTER,
          LONG,
          LONG,
          INT);

  /**
   * Groups of rows whose sums are kept apart (native/src/kernels/batch_norm.cpp), two sums each.
   */
  private static final long SUM_DOUBLES = 2 * 64;

  private final Workspace workspace;
  private final CpuPool pool;
  private final CpuPad pad;
  private final CpuBatchNormRelu normRelu;
  private final int threads;

  CpuDense(Workspace workspace, int threads) {
    this.workspace = workspace;
    this.pool = new CpuPool(workspace, threads);
    this.pad = new CpuPad(workspace, threads);
    this.normRelu = new CpuBatchNormRelu(threads);
    this.threads = threads;
  }

  @Override
  public AffinePlan plan(Affine sizes) {
    return new CpuAffinePlan(sizes, workspace, threads);
  }

  @Override
  public void decode(MemorySegment bytes, float[] values, Tensor y) {
    Pixels.decode(bytes, values, y);
  }

  @Override
  public void relu(Tensor x, Tensor y) {
    DenseChecks.elementwise("y", y, "x", x);
    try {
      RELU.invokeExact(x.segment(), y.segment(), x.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void reluGradient(Tensor y, Tensor dy, Tensor dx) {
    DenseChecks.gradient(y, dy, dx);
    try {
      RELU_GRADIENT.invokeExact(y.segment(), dy.segment(), dx.segment(), y.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void celu(Tensor x, Tensor y, float alpha) {
    DenseChecks.elementwise("y", y, "x", x);
    Checks.finitePositive("alpha", alpha);
    try {
      CELU.invokeExact(x.segment(), y.segment(), x.elements(), alpha, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void celuGradient(Tensor y, Tensor dy, Tensor dx, float alpha) {
    DenseChecks.gradient(y, dy, dx);
    Checks.finitePositive("alpha", alpha);
    try {
      CELU_GRADIENT.invokeExact(
          y.segment(), dy.segment(), dx.segment(), y.elements(), alpha, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    DenseChecks.sum(a, b, out);
    try {
      ADD.invokeExact(a.segment(), b.segment(), out.segment(), a.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void multiplyRows(Tensor values, Tensor weights) {
    long rows = DenseChecks.rows(values, weights);
    try {
      MULTIPLY_ROWS.invokeExact(
          values.segment(), weights.segment(), rows, weights.elements(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void dropout(Tensor x, Tensor y, long key, double probability) {
    DenseChecks.dropout(x, y, probability);
    long threshold = (long) (probability * 0x1p32);
    float scale = (float) (1 / (1 - probability));
    try {
      DROPOUT.invokeExact(x.segment(), y.segment(), x.elements(), key, threshold, scale, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void maxPool(Tensor x, Tensor y, Window window) {
    pool.max(x, y, window);
  }

  @Override
  public void maxPoolGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window) {
    pool.maxGradient(x, y, dy, dx, window);
  }

  @Override
  public void averagePool(Tensor x, Tensor y, Window window, boolean paddingCounts) {
    pool.average(x, y, window, paddingCounts);
  }

  @Override
  public void averagePoolGradient(Tensor dy, Tensor dx, Window window, boolean paddingCounts) {
    pool.averageGradient(dy, dx, window, paddingCounts);
  }

  @Override
  public void pad(Tensor x, Tensor y, Padding padding) {
    pad.pad(x, y, padding);
  }

  @Override
  public void padGradient(Tensor dy, Tensor dx, Padding padding) {
    pad.gradient(dy, dx, padding);
  }

  @Override
  public void batchNormStatistics(Tensor x, Tensor mean, Tensor variance) {
    long channels = DenseChecks.statistics(x, mean, variance);
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment scratch = turn.reserve(SUM_DOUBLES * Double.BYTES * channels);
      STATISTICS.invokeExact(
          x.segment(),
          x.elements() / channels,
          channels,
          mean.segment(),
          variance.segment(),
          scratch,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void batchNorm(
      Tensor x,
      Tensor mean,
      Tensor variance,
      Tensor scale,
      Tensor shift,
      float epsilon,
      Tensor normalised,
      Tensor y) {
    long channels = DenseChecks.channels(x);
    boolean keep =
        DenseChecks.normalisation(x, mean, variance, scale, shift, epsilon, normalised, y);
    MemorySegment kept = keep ? normalised.segment() : MemorySegment.NULL;
    MemorySegment output = y.elements() > 0 ? y.segment() : MemorySegment.NULL;
    try {
      NORMALISE.invokeExact(
          x.segment(),
          mean.segment(),
          variance.segment(),
          scale.segment(),
          shift.segment(),
          epsilon,
          kept,
          output,
          x.elements() / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void batchNormSums(
      Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift, boolean accumulate) {
    long channels = DenseChecks.sums(normalised, dy, dScale, dShift);
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment scratch = turn.reserve(SUM_DOUBLES * Double.BYTES * channels);
      SUMS.invokeExact(
          normalised.segment(),
          dy.segment(),
          dy.elements() / channels,
          channels,
          dScale.segment(),
          dShift.segment(),
          accumulate ? 1 : 0,
          scratch,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void batchNormGradient(
      Tensor normalised,
      Tensor dy,
      Tensor variance,
      Tensor scale,
      float epsilon,
      Tensor dScale,
      Tensor dShift,
      boolean frozen,
      Tensor dx) {
    long channels =
        DenseChecks.normalisationGradient(
            normalised, dy, variance, scale, epsilon, dScale, dShift, dx);
    try {
      NORMALISE_GRADIENT.invokeExact(
          normalised.segment(),
          dy.segment(),
          variance.segment(),
          scale.segment(),
          epsilon,
          dScale.segment(),
          dShift.segment(),
          frozen ? 1 : 0,
          dx.segment(),
          dy.elements() / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void batchNormRelu(FrozenNormalisation norm, Tensor x, Tensor residual, Tensor y) {
    normRelu.forward(norm, x, residual, y);
  }

  @Override
  public void batchNormReluGradient(
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Tensor residualGradient,
      Tensor scaleGradients,
      Tensor shiftGradients) {
    normRelu.gradient(norm, x, y, dy, dx, residualGradient, scaleGradients, shiftGradients);
  }

  @Override
  public void batchNormReluPair(
      FrozenNormalisation norm,
      Tensor x,
      FrozenNormalisation ofResidual,
      Tensor residual,
      Tensor y) {
    normRelu.forwardPair(norm, x, ofResidual, residual, y);
  }

  @Override
  public void batchNormReluPairGradient(
      NormalisedInput first, NormalisedInput second, Tensor y, Tensor dy, Tensor shiftGradients) {
    normRelu.gradientPair(first, second, y, dy, shiftGradients);
  }

  @Override
  public void moveAverage(Tensor running, Tensor value, float momentum, float factor) {
    DenseChecks.average(running, value);
    for (long c = 0; c < running.elements(); c++) {
      running.set(c, (1 - momentum) * running.get(c) + momentum * (factor * value.get(c)));
    }
  }

  @Override
  public void lossVectors(Tensor output, LossVectors vectors, Tensor gradient) {
    Losses.checkVectors(output, vectors, gradient);
    vectors.write(output, gradient);
  }
}
