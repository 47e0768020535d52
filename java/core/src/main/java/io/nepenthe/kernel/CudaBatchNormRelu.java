package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/** Launches of cuda/batch_norm_relu.cu. */
final class CudaBatchNormRelu {
  /** Of a block, as cuda/batch_norm_relu.cu has them. */
  private static final long CHANNELS = 32;

  private static final long MOST_SAMPLES = 65535;

  private final CudaContext context;

  CudaBatchNormRelu(CudaContext context) {
    this.context = context;
  }

  /** Of x's size. */
  private CudaContext.Operation begin(String name, Tensor x, int arrays) {
    return context.begin(name, x.shape(), arrays * x.shape().bytes(), arrays * x.elements());
  }

  private static CudaDriver.Grid grid(long samples, long channels) {
    return new CudaDriver.Grid(
        CudaLayer.ceiling(channels, CHANNELS), Math.min(samples, MOST_SAMPLES), 1);
  }

  private long inverse(CudaContext.Operation op, FrozenNormalisation norm) {
    return CudaBatchNorm.inverse(context, op, norm.variance(), norm.epsilon());
  }

  void forward(FrozenNormalisation norm, Tensor x, Tensor residual, Tensor y) {
    long channels = DenseChecks.normalisedRelu(norm, x, residual, y);
    boolean adds = residual.elements() > 0;
    try (var op = begin("batchNormRelu", x, adds ? 3 : 2)) {
      boolean overX = y.address() == x.address();
      boolean overResidual = adds && y.address() == residual.address();
      long target = overX || overResidual ? op.update(y) : op.write(y);
      op.launch(
          "nep_batch_norm_relu",
          context.blocks("nep_batch_norm_relu", x.elements(), 4),
          overX ? target : op.read(x),
          overResidual ? target : op.read(residual),
          op.read(norm.mean()),
          inverse(op, norm),
          op.read(norm.scale()),
          op.read(norm.shift()),
          target,
          x.elements(),
          channels);
      op.finish();
    }
  }

  void forwardPair(
      FrozenNormalisation norm,
      Tensor x,
      FrozenNormalisation ofResidual,
      Tensor residual,
      Tensor y) {
    long channels = DenseChecks.normalisedReluPair(norm, x, ofResidual, residual, y);
    try (var op = begin("batchNormReluPair", x, 3)) {
      boolean overX = y.address() == x.address();
      boolean overResidual = y.address() == residual.address();
      long target = overX || overResidual ? op.update(y) : op.write(y);
      op.launch(
          "nep_batch_norm_relu_pair",
          context.blocks("nep_batch_norm_relu_pair", x.elements(), 4),
          overX ? target : op.read(x),
          overResidual ? target : op.read(residual),
          op.read(norm.mean()),
          inverse(op, norm),
          op.read(norm.scale()),
          op.read(norm.shift()),
          op.read(ofResidual.mean()),
          inverse(op, ofResidual),
          op.read(ofResidual.scale()),
          op.read(ofResidual.shift()),
          target,
          x.elements(),
          channels);
      op.finish();
    }
  }

  void gradientPair(
      NormalisedInput first, NormalisedInput second, Tensor y, Tensor dy, Tensor shiftGradients) {
    long channels = DenseChecks.normalisedReluPairGradient(first, second, y, dy, shiftGradients);
    Tensor x = first.x();
    long samples = x.shape().size(0);
    try (var op = begin("batchNormReluPairGradient", x, 6)) {
      boolean overFirst = first.dx().address() == dy.address();
      boolean overSecond = second.dx().address() == dy.address();
      long target = overFirst ? op.update(first.dx()) : op.write(first.dx());
      long other = overSecond ? op.update(second.dx()) : op.write(second.dx());
      op.launch(
          "nep_batch_norm_relu_pair_gradient",
          grid(samples, channels),
          op.read(x),
          op.read(second.x()),
          op.read(y),
          overFirst ? target : overSecond ? other : op.read(dy),
          op.read(first.norm().mean()),
          inverse(op, first.norm()),
          op.read(first.norm().scale()),
          op.read(first.norm().shift()),
          op.read(second.norm().mean()),
          inverse(op, second.norm()),
          op.read(second.norm().scale()),
          op.read(second.norm().shift()),
          target,
          other,
          op.write(first.scaleGradients()),
          op.write(second.scaleGradients()),
          op.write(shiftGradients),
          samples,
          x.elements() / samples / channels,
          channels);
      op.finish();
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
    int arrays = 3 + (y.elements() > 0 ? 1 : 0) + (residualGradient.elements() > 0 ? 1 : 0);
    try (var op = begin("batchNormReluGradient", x, arrays)) {
      boolean overDx = dx.address() == dy.address();
      boolean overResidual = residualGradient.address() == dy.address();
      long target = overDx ? op.update(dx) : op.write(dx);
      long handedOn = overResidual ? op.update(residualGradient) : op.write(residualGradient);
      op.launch(
          "nep_batch_norm_relu_gradient",
          grid(samples, channels),
          op.read(x),
          op.read(y),
          overDx ? target : overResidual ? handedOn : op.read(dy),
          op.read(norm.mean()),
          inverse(op, norm),
          op.read(norm.scale()),
          op.read(norm.shift()),
          target,
          handedOn,
          op.write(scaleGradients),
          op.write(shiftGradients),
          samples,
          x.elements() / samples / channels,
          channels);
      op.finish();
    }
  }
}
