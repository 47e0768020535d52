package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/** Launches of cuda/pool.cu. */
final class CudaPool {
  private final CudaContext context;

  CudaPool(CudaContext context) {
    this.context = context;
  }

  void max(Tensor x, Tensor y, Window window) {
    DenseChecks.pooling(x.shape(), y.shape(), window);
    Checks.disjoint("y", y, "x", x);
    try (var op = context.begin("maxPool", x, 2)) {
      long target = op.write(y);
      launch(op, "nep_pool_max", y, x.shape(), y.shape(), window, op.read(x), target);
      op.finish();
    }
  }

  void maxGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window) {
    DenseChecks.maxPoolGradient(x, y, dy, dx, window);
    try (var op = context.begin("maxPoolGradient", x, 3)) {
      long target = op.write(dx);
      launch(
          op,
          "nep_pool_max_gradient",
          dx,
          x.shape(),
          y.shape(),
          window,
          op.read(x),
          op.read(y),
          op.read(dy),
          target);
      op.finish();
    }
  }

  void average(Tensor x, Tensor y, Window window, boolean paddingCounts) {
    DenseChecks.pooling(x.shape(), y.shape(), window);
    Checks.disjoint("y", y, "x", x);
    try (var op = context.begin("averagePool", x, 2)) {
      long target = op.write(y);
      launchAverage(op, "nep_pool_average", y, x, y, window, paddingCounts, op.read(x), target);
      op.finish();
    }
  }

  void averageGradient(Tensor dy, Tensor dx, Window window, boolean paddingCounts) {
    DenseChecks.pooling(dx.shape(), dy.shape(), window);
    Checks.disjoint("dx", dx, "dy", dy);
    try (var op = context.begin("averagePoolGradient", dx, 2)) {
      long target = op.write(dx);
      String kernel = "nep_pool_average_gradient";
      launchAverage(op, kernel, dx, dx, dy, window, paddingCounts, op.read(dy), target);
      op.finish();
    }
  }

  private void launchAverage(
      CudaContext.Operation op,
      String kernel,
      Tensor result,
      Tensor x,
      Tensor y,
      Window window,
      boolean paddingCounts,
      long from,
      long to) {
    Object[] sizes = sizes(x.shape(), y.shape(), window, 2, 1);
    sizes[0] = from;
    sizes[1] = to;
    sizes[sizes.length - 1] = paddingCounts ? 1 : 0;
    op.launch(kernel, context.blocks(kernel, result.elements(), 1), sizes);
  }

  private void launch(
      CudaContext.Operation op,
      String kernel,
      Tensor result,
      Shape x,
      Shape y,
      Window window,
      Long... pointers) {
    Object[] sizes = sizes(x, y, window, pointers.length, 0);
    System.arraycopy(pointers, 0, sizes, 0, pointers.length);
    op.launch(kernel, context.blocks(kernel, result.elements(), 1), sizes);
  }

  /** A pooling's sizes, with room before and after. */
  static Object[] sizes(Shape x, Shape y, Window w, int before, int after) {
    CudaLayer.requireSmall(x);
    CudaLayer.requireSmall(y);
    Object[] sizes = {
      x.size(0),
      (int) x.size(1),
      (int) x.size(2),
      (int) x.size(3),
      (int) y.size(1),
      (int) y.size(2),
      w.kernelHeight(),
      w.kernelWidth(),
      w.strideHeight(),
      w.strideWidth(),
      w.dilationHeight(),
      w.dilationWidth(),
      w.top(),
      w.left()
    };
    Object[] all = new Object[before + sizes.length + after];
    System.arraycopy(sizes, 0, all, before, sizes.length);
    return all;
  }
}
