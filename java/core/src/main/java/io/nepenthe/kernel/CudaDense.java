package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** The engine's layers: launches of cuda/activation.cu, and whoever launches the others. */
final class CudaDense implements Dense, AutoCloseable {
  /** Of a grid's second side. */
  private static final long MOST_ROWS = 65535;

  private final CudaContext context;
  private final CudaGemm gemm;
  private final CudaDnn.Choice convolutions;
  private final CudaLosses losses;
  private final CudaPad pad;
  private final CudaPool pool;
  private final CudaBatchNorm norm;
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
    this.pool = new CudaPool(context);
    this.norm = new CudaBatchNorm(context);
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
  public void multiplyRows(Tensor values, Tensor weights) {
    long rows = DenseChecks.rows(values, weights);
    if (rows == 0) {
      return;
    }
    String kernel = "nep_activation_multiply_rows";
    try (var op = context.begin("multiplyRows", values, 2)) {
      long blocks = context.blocks(kernel, weights.elements(), 4);
      op.launch(
          kernel,
          new CudaDriver.Grid(blocks, Math.min(rows, MOST_ROWS), 1),
          op.update(values),
          op.read(weights),
          rows,
          weights.elements());
      op.finish();
    }
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
    try (var op = context.begin(name, out, one ? 2 : 3)) {
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
    norm.statistics(x, mean, variance);
  }

  /** out[c] (+)= the sum of a matrix's column. */
  void columnSums(
      CudaContext.Operation op,
      long matrix,
      long rows,
      long columns,
      boolean accumulate,
      long out) {
    norm.columnSums(op, matrix, rows, columns, accumulate, out);
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
    norm.normalise(x, mean, variance, scale, shift, epsilon, normalised, y);
  }

  @Override
  public void batchNormSums(
      Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift, boolean accumulate) {
    norm.parameterGradients(normalised, dy, dScale, dShift, accumulate);
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
    norm.gradient(normalised, dy, variance, scale, epsilon, dScale, dShift, frozen, dx);
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
    norm.moveAverage(running, value, momentum, factor);
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
