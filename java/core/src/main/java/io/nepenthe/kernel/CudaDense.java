package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Launches of cuda/{activation,pool,batch_norm}.cu. */
final class CudaDense implements Dense, AutoCloseable {
  private static final int VALUES = 0;
  private static final int SQUARES = 1;
  private static final int PRODUCTS = 2;
  private static final long GROUPS = 64;
  private static final long ROWS = 64;
  private static final long CHANNELS_A_BLOCK = 4;

  private final CudaContext context;
  private final CudaGemm gemm;
  private final CudaDnn.Choice convolutions;
  private final CudaLosses losses;
  private final CudaPad pad;
  private final CudaBatchNormRelu normRelu;
  private final CudaPixels pixels;

  CudaDense(CudaContext context, Precision precision) {
    this(context, precision, CudaDnn.of(context, precision));
  }

  CudaDense(CudaContext context, Precision precision, CudaDnn.Choice convolutions) {
    this.context = context;
    this.convolutions = convolutions;
    this.gemm = CudaGemm.of(context, precision);
    this.losses = new CudaLosses(context);
    this.pad = new CudaPad(context);
    this.normRelu = new CudaBatchNormRelu(context);
    this.pixels = new CudaPixels(context);
  }

  CudaGemm gemm() {
    return gemm;
  }

  Objectives objectives() {
    return losses;
  }

  /** Where convolutions are made. */
  String convolutions() {
    return convolutions.name();
  }

  @Override
  public AffinePlan plan(Affine sizes) {
    return new CudaAffinePlan(
        context,
        this,
        gemm,
        sizes,
        convolutions.library().map(dnn -> dnn.plan(sizes)).orElse(CudaDnn.Planned.NONE));
  }

  /** An operation that moves {@code arrays} arrays of a tensor's size. */
  private CudaContext.Operation begin(String name, Tensor tensor, int arrays) {
    return context.begin(name, tensor.shape(), arrays * tensor.shape().bytes(), tensor.elements());
  }

  @Override
  public void decode(MemorySegment bytes, float[] values, Tensor y) {
    pixels.decode(bytes, values, y);
  }

  @Override
  public void relu(Tensor x, Tensor y) {
    DenseChecks.elementwise("y", y, "x", x);
    sweep("relu", true, x, x, y);
  }

  @Override
  public void reluGradient(Tensor y, Tensor dy, Tensor dx) {
    DenseChecks.gradient(y, dy, dx);
    sweep("relu_gradient", false, y, dy, dx);
  }

  @Override
  public void celu(Tensor x, Tensor y, float alpha) {
    DenseChecks.elementwise("y", y, "x", x);
    Checks.finitePositive("alpha", alpha);
    sweep("celu", true, x, x, y, alpha);
  }

  @Override
  public void celuGradient(Tensor y, Tensor dy, Tensor dx, float alpha) {
    DenseChecks.gradient(y, dy, dx);
    Checks.finitePositive("alpha", alpha);
    sweep("celu_gradient", false, y, dy, dx, alpha);
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    DenseChecks.sum(a, b, out);
    sweep("add", false, a, b, out);
  }

  @Override
  public void dropout(Tensor x, Tensor y, long key, double probability) {
    DenseChecks.dropout(x, y, probability);
    sweep(
        "dropout",
        true,
        x,
        x,
        y,
        key,
        (long) (probability * 0x1p32),
        (float) (1 / (1 - probability)));
  }

  /** An elementwise kernel of one argument (given twice) or two. */
  private void sweep(String name, boolean one, Tensor a, Tensor b, Tensor out, Object... options) {
    long n = out.elements();
    if (n == 0) {
      return;
    }
    String kernel = "nep_activation_" + name;
    try (var op = begin(name, out, one ? 2 : 3)) {
      boolean inPlace = out.address() == a.address() || out.address() == b.address();
      long target = inPlace ? op.update(out) : op.write(out);
      long first = a.address() == out.address() ? target : op.read(a);
      long second = b == a ? first : b.address() == out.address() ? target : op.read(b);
      Object[] arguments = new Object[options.length + (one ? 3 : 4)];
      int at = 0;
      arguments[at++] = first;
      if (!one) {
        arguments[at++] = second;
      }
      arguments[at++] = target;
      arguments[at++] = n;
      System.arraycopy(options, 0, arguments, at, options.length);
      op.launch(kernel, context.blocks(kernel, n, 4), arguments);
      op.finish();
    }
  }

  @Override
  public void maxPool(Tensor x, Tensor y, Window window) {
    DenseChecks.pooling(x.shape(), y.shape(), window);
    Checks.disjoint("y", y, "x", x);
    try (var op = begin("maxPool", x, 2)) {
      long target = op.write(y);
      pool(op, "nep_pool_max", y, x.shape(), y.shape(), window, op.read(x), target);
      op.finish();
    }
  }

  @Override
  public void maxPoolGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window) {
    DenseChecks.maxPoolGradient(x, y, dy, dx, window);
    try (var op = begin("maxPoolGradient", x, 3)) {
      long target = op.write(dx);
      pool(
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

  @Override
  public void averagePool(Tensor x, Tensor y, Window window, boolean paddingCounts) {
    DenseChecks.pooling(x.shape(), y.shape(), window);
    Checks.disjoint("y", y, "x", x);
    try (var op = begin("averagePool", x, 2)) {
      long target = op.write(y);
      average(op, "nep_pool_average", y, x, y, window, paddingCounts, op.read(x), target);
      op.finish();
    }
  }

  @Override
  public void averagePoolGradient(Tensor dy, Tensor dx, Window window, boolean paddingCounts) {
    DenseChecks.pooling(dx.shape(), dy.shape(), window);
    Checks.disjoint("dx", dx, "dy", dy);
    try (var op = begin("averagePoolGradient", dx, 2)) {
      long target = op.write(dx);
      String kernel = "nep_pool_average_gradient";
      average(op, kernel, dx, dx, dy, window, paddingCounts, op.read(dy), target);
      op.finish();
    }
  }

  private void average(
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

  private void pool(
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
    long rows = x.elements() / channels;
    try (var op = begin("batchNormStatistics", x, 2)) {
      long values = op.read(x);
      long means = op.write(mean);
      sums(op, VALUES, values, 0, 0, rows, channels, rows, false, means);
      sums(op, SQUARES, values, 0, means, rows, channels, rows, false, op.write(variance));
      op.finish();
    }
  }

  /** out[c] (+)= the sum over rows of x, (x − mean)² or x·y, over {@code count} if it is not 0. */
  private void sums(
      CudaContext.Operation op,
      int kind,
      long x,
      long y,
      long mean,
      long rows,
      long channels,
      long count,
      boolean accumulate,
      long out) {
    long blocks = ((rows + GROUPS - 1) / GROUPS + ROWS - 1) / ROWS;
    long parts = GROUPS * blocks * channels;
    long partial = op.scratch(parts * Float.BYTES);
    op.launch(
        "nep_batch_norm_blocks",
        context.blocks("nep_batch_norm_blocks", parts, 1),
        x,
        y,
        mean,
        kind,
        rows,
        channels,
        partial);
    op.launch(
        "nep_batch_norm_totals",
        (channels + CHANNELS_A_BLOCK - 1) / CHANNELS_A_BLOCK,
        partial,
        rows,
        channels,
        count,
        accumulate ? 1 : 0,
        out);
  }

  /** out[c] (+)= the sum of a matrix's column. */
  void columnSums(
      CudaContext.Operation op,
      long matrix,
      long rows,
      long columns,
      boolean accumulate,
      long out) {
    sums(op, VALUES, matrix, 0, 0, rows, columns, 0, accumulate, out);
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
    boolean keep =
        DenseChecks.normalisation(x, mean, variance, scale, shift, epsilon, normalised, y);
    boolean shifted = y.elements() > 0;
    try (var op = begin("batchNorm", x, keep && shifted ? 3 : 2)) {
      boolean overY = shifted && y.address() == x.address();
      boolean over = keep && normalised.address() == x.address();
      long target = overY ? op.update(y) : op.write(y);
      long kept = !keep ? 0L : over ? op.update(normalised) : op.write(normalised);
      op.launch(
          "nep_batch_norm",
          context.blocks("nep_batch_norm", x.elements(), 1),
          overY ? target : over ? kept : op.read(x),
          op.read(mean),
          CudaBatchNormRelu.inverse(context, op, variance, epsilon),
          op.read(scale),
          op.read(shift),
          kept,
          target,
          x.elements(),
          mean.elements());
      op.finish();
    }
  }

  @Override
  public void batchNormSums(
      Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift, boolean accumulate) {
    long channels = DenseChecks.sums(normalised, dy, dScale, dShift);
    long rows = dy.elements() / channels;
    try (var op = begin("batchNormSums", dy, 3)) {
      long gradient = op.read(dy);
      long scale = accumulate ? op.update(dScale) : op.write(dScale);
      long shift = accumulate ? op.update(dShift) : op.write(dShift);
      long values = op.read(normalised);
      sums(op, PRODUCTS, gradient, values, 0, rows, channels, 0, accumulate, scale);
      sums(op, VALUES, gradient, 0, 0, rows, channels, 0, accumulate, shift);
      op.finish();
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
    try (var op = begin("batchNormGradient", dy, frozen ? 2 : 3)) {
      boolean inPlace = dx.address() == dy.address();
      long target = inPlace ? op.update(dx) : op.write(dx);
      op.launch(
          "nep_batch_norm_gradient",
          context.blocks("nep_batch_norm_gradient", dy.elements(), 1),
          frozen ? 0L : op.read(normalised),
          inPlace ? target : op.read(dy),
          CudaBatchNormRelu.inverse(context, op, variance, epsilon),
          op.read(scale),
          frozen ? 0L : op.read(dScale),
          frozen ? 0L : op.read(dShift),
          frozen ? 1 : 0,
          target,
          dy.elements() / channels,
          channels);
      op.finish();
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
  public void moveAverage(Tensor running, Tensor value, float momentum, float factor) {
    DenseChecks.average(running, value);
    try (var op = begin("moveAverage", running, 3)) {
      op.launch(
          "nep_batch_norm_move",
          context.blocks("nep_batch_norm_move", running.elements(), 1),
          op.update(running),
          op.read(value),
          running.elements(),
          momentum,
          factor);
      op.finish();
    }
  }

  @Override
  public void lossVectors(Tensor output, LossVectors vectors, Tensor gradient) {
    losses.vectors(output, vectors, gradient);
  }

  @Override
  public void close() {
    try (gemm) {
      convolutions.library().ifPresent(CudaDnn::close);
    }
  }
}
