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

  private static final MethodHandle FORWARD_PAIR =
      NativeLibrary.action(
          "nep_batch_norm_relu_pair",
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
          POINTER,
          FLOAT,
          POINTER,
          LONG,
          LONG,
          INT);
  private static final MethodHandle GRADIENT_PAIR =
      NativeLibrary.action(
          "nep_batch_norm_relu_pair_gradient",
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
          POINTER,
          FLOAT,
          POINTER,
          POINTER,
          POINTER,
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

  void forwardPair(
      FrozenNormalisation norm,
      Tensor x,
      FrozenNormalisation ofResidual,
      Tensor residual,
      Tensor y) {
    long channels = DenseChecks.normalisedReluPair(norm, x, ofResidual, residual, y);
    try {
      FORWARD_PAIR.invokeExact(
          x.segment(),
          norm.mean().segment(),
          norm.variance().segment(),
          norm.scale().segment(),
          norm.shift().segment(),
          norm.epsilon(),
          residual.segment(),
          ofResidual.mean().segment(),
          ofResidual.variance().segment(),
          ofResidual.scale().segment(),
          ofResidual.shift().segment(),
          ofResidual.epsilon(),
          y.segment(),
          x.elements() / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void gradientPair(
      NormalisedInput first, NormalisedInput second, Tensor y, Tensor dy, Tensor shiftGradients) {
    long channels = DenseChecks.normalisedReluPairGradient(first, second, y, dy, shiftGradients);
    FrozenNormalisation norm = first.norm();
    FrozenNormalisation other = second.norm();
    long samples = y.shape().size(0);
    try {
      GRADIENT_PAIR.invokeExact(
          first.x().segment(),
          norm.mean().segment(),
          norm.variance().segment(),
          norm.scale().segment(),
          norm.shift().segment(),
          norm.epsilon(),
          second.x().segment(),
          other.mean().segment(),
          other.variance().segment(),
          other.scale().segment(),
          other.shift().segment(),
          other.epsilon(),
          y.segment(),
          dy.segment(),
          first.dx().segment(),
          second.dx().segment(),
          first.scaleGradients().segment(),
          second.scaleGradients().segment(),
          shiftGradients.segment(),
          samples,
          y.elements() / samples / channels,
          channels,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }
}
