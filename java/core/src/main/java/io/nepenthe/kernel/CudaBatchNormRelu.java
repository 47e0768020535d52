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
          CudaBatchNorm.inverse(context, op, norm.variance(), norm.epsilon()),
          op.read(norm.scale()),
          op.read(norm.shift()),
          target,
          x.elements(),
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
          new CudaDriver.Grid(
              CudaLayer.ceiling(channels, CHANNELS), Math.min(samples, MOST_SAMPLES), 1),
          op.read(x),
          op.read(y),
          overDx ? target : overResidual ? handedOn : op.read(dy),
          op.read(norm.mean()),
          CudaBatchNorm.inverse(context, op, norm.variance(), norm.epsilon()),
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
