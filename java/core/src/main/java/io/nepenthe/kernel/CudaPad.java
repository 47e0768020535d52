package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/** Launches of cuda/pad.cu. */
final class CudaPad {
  private final CudaContext context;

  CudaPad(CudaContext context) {
    this.context = context;
  }

  void pad(Tensor x, Tensor y, Padding padding) {
    DenseChecks.padding(x.shape(), y.shape(), padding);
    Checks.disjoint("y", y, "x", x);
    launch("pad", "nep_pad", x, y, sizes(x.shape(), y.shape(), padding, 1));
  }

  void gradient(Tensor dy, Tensor dx, Padding padding) {
    DenseChecks.padding(dx.shape(), dy.shape(), padding);
    Checks.disjoint("dx", dx, "dy", dy);
    launch("padGradient", "nep_pad_gradient", dy, dx, sizes(dx.shape(), dy.shape(), padding, 0));
  }

  private void launch(String name, String kernel, Tensor from, Tensor to, Object[] arguments) {
    long bytes = from.shape().bytes() + to.shape().bytes();
    try (var op = context.begin(name, to.shape(), bytes, to.elements())) {
      arguments[1] = op.write(to);
      arguments[0] = op.read(from);
      op.launch(kernel, context.blocks(kernel, to.elements(), 1), arguments);
      op.finish();
    }
  }

  /** The arguments, with room for two addresses before; {@code values} is 1 if the constant is. */
  static Object[] sizes(Shape x, Shape y, Padding p, int values) {
    CudaLayer.requireSmall(x);
    CudaLayer.requireSmall(y);
    Object[] sizes = new Object[11 + values];
    sizes[2] = x.size(0);
    for (int i = 1; i < 4; i++) {
      sizes[2 + i] = (int) x.size(i);
    }
    sizes[6] = (int) y.size(1);
    sizes[7] = (int) y.size(2);
    sizes[8] = p.top();
    sizes[9] = p.left();
    sizes[10] = p.mode().ordinal();
    if (values > 0) {
      sizes[11] = p.value();
    }
    return sizes;
  }
}
