package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/** Launches of cuda/batch_norm.cu. */
final class CudaBatchNorm {
  private static final int VALUES = 0;
  private static final int SQUARES = 1;
  private static final int PRODUCTS = 2;
  private static final long GROUPS = 64;
  private static final long ROWS = 64;
  private static final long CHANNELS_A_BLOCK = 4;

  private final CudaContext context;

  CudaBatchNorm(CudaContext context) {
    this.context = context;
  }

  /** 1/√(variance + ε) of every channel, for the time of the operation. */
  static long inverse(
      CudaContext context, CudaContext.Operation op, Tensor variance, float epsilon) {
    long inverse = op.scratch(variance.shape().bytes());
    op.launch(
        "nep_batch_norm_inverse",
        context.blocks("nep_batch_norm_inverse", variance.elements(), 1),
        op.read(variance),
        epsilon,
        inverse,
        variance.elements());
    return inverse;
  }

  void statistics(Tensor x, Tensor mean, Tensor variance) {
    long channels = DenseChecks.statistics(x, mean, variance);
    long rows = x.elements() / channels;
    try (var op = context.begin("batchNormStatistics", x, 2)) {
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

  void normalise(
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
    try (var op = context.begin("batchNorm", x, keep && shifted ? 3 : 2)) {
      boolean overY = shifted && y.address() == x.address();
      boolean over = keep && normalised.address() == x.address();
      long target = overY ? op.update(y) : op.write(y);
      long kept = !keep ? 0L : over ? op.update(normalised) : op.write(normalised);
      op.launch(
          "nep_batch_norm",
          context.blocks("nep_batch_norm", x.elements(), 4),
          overY ? target : over ? kept : op.read(x),
          op.read(mean),
          inverse(context, op, variance, epsilon),
          op.read(scale),
          op.read(shift),
          kept,
          target,
          x.elements(),
          mean.elements());
      op.finish();
    }
  }

  void parameterGradients(
      Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift, boolean accumulate) {
    long channels = DenseChecks.sums(normalised, dy, dScale, dShift);
    long rows = dy.elements() / channels;
    try (var op = context.begin("batchNormSums", dy, 3)) {
      long gradient = op.read(dy);
      long scale = accumulate ? op.update(dScale) : op.write(dScale);
      long shift = accumulate ? op.update(dShift) : op.write(dShift);
      long values = op.read(normalised);
      sums(op, PRODUCTS, gradient, values, 0, rows, channels, 0, accumulate, scale);
      sums(op, VALUES, gradient, 0, 0, rows, channels, 0, accumulate, shift);
      op.finish();
    }
  }

  void gradient(
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
    try (var op = context.begin("batchNormGradient", dy, frozen ? 2 : 3)) {
      boolean inPlace = dx.address() == dy.address();
      long target = inPlace ? op.update(dx) : op.write(dx);
      op.launch(
          "nep_batch_norm_gradient",
          context.blocks("nep_batch_norm_gradient", dy.elements(), 4),
          frozen ? 0L : op.read(normalised),
          inPlace ? target : op.read(dy),
          inverse(context, op, variance, epsilon),
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

  void moveAverage(Tensor running, Tensor value, float momentum, float factor) {
    DenseChecks.average(running, value);
    try (var op = context.begin("moveAverage", running, 3)) {
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
}
