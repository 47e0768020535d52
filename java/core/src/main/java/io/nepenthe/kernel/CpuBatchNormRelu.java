package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Bindings of native/src/kernels/batch_norm_relu.cpp. */
final class CpuBatchNormRelu {
  private static final MethodHandle FORWARD =
      NativeLibrary.action(
          "nep_batch_norm_relu",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          FLOAT,
          POINTER,
          LONG,
          LONG,
          INT);
  private static final MethodHandle GRADIENT =
      NativeLibrary.action(
          "nep_batch_norm_relu_gradient",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          FLOAT,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          LONG,
          LONG,
          LONG,
          INT);

  private final int threads;

  CpuBatchNormRelu(int threads) {
    this.threads = threads;
  }

  private static MemorySegment orNull(Tensor tensor) {
    return tensor.elements() == 0 ? MemorySegment.NULL : tensor.segment();
  }

  void forward(FrozenNormalisation norm, Tensor x, Tensor residual, Tensor y) {
    long channels = DenseChecks.normalisedRelu(norm, x, residual, y);
    MemorySegment added = orNull(residual);
    try {
      FORWARD.invokeExact(
          x.segment(),
          added,
          norm.mean().segment(),
          norm.variance().segment(),
          norm.scale().segment(),
          norm.shift().segment(),
          norm.epsilon(),
          y.segment(),
          x.elements() / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void gradient(
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Tensor residualGradient,
      Tensor scaleGradients,
      Tensor shiftGradients) {
    long channels =
        DenseChecks.normalisedReluGradient(
            norm, x, y, dy, dx, residualGradient, scaleGradients, shiftGradients);
    long samples = x.shape().size(0);
    MemorySegment output = orNull(y);
    MemorySegment handedOn = orNull(residualGradient);
    try {
      GRADIENT.invokeExact(
          x.segment(),
          output,
          dy.segment(),
          norm.mean().segment(),
          norm.variance().segment(),
          norm.scale().segment(),
          norm.shift().segment(),
          norm.epsilon(),
          dx.segment(),
          handedOn,
          scaleGradients.segment(),
          shiftGradients.segment(),
          samples,
          x.elements() / samples / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }
}
