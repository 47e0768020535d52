package io.nepenthe.kernel;

import io.nepenthe.kernel.CudaGemm.Matrix;
import io.nepenthe.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;

/**
 * Linear layers and convolutions as matrix products; a convolution's input is unfolded first
 * (cuda/unfold.cu), as many samples at a time as fit the workspace. Where cuDNN can, it makes a
 * convolution's forward pass and its input's gradient.
 */
final class CudaAffinePlan implements AffinePlan {
  /** The unfolded input of at least one sample, and of no more than this. */
  private static final long MOST_UNFOLDED_BYTES = 256L << 20;

  private final CudaContext context;
  private final CudaDense dense;
  private final CudaGemm gemm;
  private final Affine sizes;
  private final DenseChecks.Shapes shapes;
  private final Optional<CudaConvolution> convolution;

  /** Why cuDNN does not make it, where it was asked to. */
  private final String refused;

  private boolean closed;

  CudaAffinePlan(
      CudaContext context, CudaDense dense, CudaGemm gemm, Affine sizes, CudaDnn.Planned planned) {
    this.convolution = planned.convolution();
    this.refused = planned.reason();
    this.context = context;
    this.dense = dense;
    this.gemm = gemm;
    this.sizes = sizes;
    this.shapes = DenseChecks.Shapes.of(sizes);
  }

  @Override
  public Affine sizes() {
    return sizes;
  }

  /** A convolution's sizes, or a linear layer's as one of 1×1 images. */
  private record Geometry(
      long batch, long positions, long groups, long outputs, long columns, boolean unfolds) {
    static Geometry of(Affine sizes) {
      return switch (sizes) {
        case Affine.Linear l -> new Geometry(l.batch(), 1, 1, l.outputs(), l.inputs(), false);
        case Affine.Convolution c ->
            new Geometry(
                c.batch(),
                c.output().size(1) * c.output().size(2),
                c.groups(),
                c.outputs(),
                c.weights().elements() / c.outputs(),
                !pointwise(c));
      };
    }

    /** A 1×1 window that visits every position: the input is its own unfolding. */
    private static boolean pointwise(Affine.Convolution c) {
      Window w = c.window();
      return w.kernelHeight() == 1
          && w.kernelWidth() == 1
          && w.strideHeight() == 1
          && w.strideWidth() == 1
          && c.output().size(1) == c.height()
          && c.output().size(2) == c.width();
    }

    long pitch() {
      return groups * columns;
    }

    long samplesAtOnce() {
      long each = positions * pitch() * Float.BYTES;
      return unfolds ? Math.max(1, Math.min(batch, MOST_UNFOLDED_BYTES / each)) : batch;
    }
  }

  private interface Part {
    /** Samples [first, first + count), whose unfolded input lies at {@code unfolded}. */
    void run(long first, long count, Matrix unfolded);
  }

  private CudaContext.Operation begin(String pass) {
    return begin(pass, 0);
  }

  /** A pass that reads {@code more} elements than input, output and weights have. */
  private CudaContext.Operation begin(String pass, long more) {
    if (closed) {
      throw new IllegalStateException("the plan is closed");
    }
    long elements =
        sizes.input().elements() + sizes.output().elements() + sizes.weights().elements() + more;
    return context.begin(pass, sizes, Float.BYTES * elements, sizes.flops());
  }

  @Override
  public void forward(Tensor x, Tensor weights, Tensor bias, Tensor y) {
    DenseChecks.forward(shapes, x, weights, bias, y);
    Geometry g = Geometry.of(sizes);
    try (var op = begin("forward")) {
      long out = op.write(y);
      long in = op.read(x);
      Matrix w = new Matrix(op.read(weights), g.columns);
      if (bias.elements() > 0) {
        op.launch(
            "nep_unfold_rows",
            context.blocks("nep_unfold_rows", y.elements(), 1),
            op.read(bias),
            out,
            y.elements(),
            g.outputs);
      }
      float beta = bias.elements() > 0 ? 1 : 0;
      if (convolution.isPresent()) {
        convolution.get().forward(op, in, w.address(), out, beta);
        op.finish();
        return;
      }
      long each = g.outputs / g.groups;
      parts(
          op,
          g,
          (first, count, unfolded) -> {
            unfold(op, g, in, first, count, unfolded);
            Matrix u = g.unfolds ? unfolded : new Matrix(in, g.pitch());
            Matrix target = new Matrix(out, g.outputs).from(first * g.positions * g.outputs);
            for (long group = 0; group < g.groups; group++) {
              gemm.multiply(
                  op,
                  u.from(group * g.columns),
                  false,
                  w.from(group * each * g.columns),
                  true,
                  target.from(group * each),
                  count * g.positions,
                  each,
                  g.columns,
                  beta);
            }
          });
      op.finish();
    }
  }

  @Override
  public void inputGradient(Tensor dy, Tensor weights, Tensor dx, boolean accumulate) {
    DenseChecks.inputGradient(shapes, dy, weights, dx);
    Geometry g = Geometry.of(sizes);
    float beta = accumulate ? 1 : 0;
    try (var op = begin("inputGradient", accumulate ? dx.elements() : 0)) {
      long out = accumulate ? op.update(dx) : op.write(dx);
      Matrix w = new Matrix(op.read(weights), g.columns);
      Matrix gradient = new Matrix(op.read(dy), g.outputs);
      if (convolution.isPresent()) {
        convolution.get().inputGradient(op, gradient.address(), w.address(), out, beta);
        op.finish();
        return;
      }
      long each = g.outputs / g.groups;
      parts(
          op,
          g,
          (first, count, unfolded) -> {
            Matrix u = g.unfolds ? unfolded : new Matrix(out, g.pitch());
            for (long group = 0; group < g.groups; group++) {
              gemm.multiply(
                  op,
                  gradient.from(first * g.positions * g.outputs + group * each),
                  false,
                  w.from(group * each * g.columns),
                  false,
                  u.from(group * g.columns),
                  count * g.positions,
                  g.columns,
                  each,
                  g.unfolds ? 0 : beta);
            }
            if (g.unfolds) {
              fold(op, u, out, first, count, accumulate);
            }
          });
      op.finish();
    }
  }

  @Override
  public void parameterGradient(
      Tensor x, Tensor dy, Tensor dWeights, Tensor dBias, boolean accumulate) {
    DenseChecks.parameterGradient(shapes, x, dy, dWeights, dBias);
    Geometry g = Geometry.of(sizes);
    try (var op = begin("parameterGradient")) {
      long in = op.read(x);
      Matrix out = new Matrix(accumulate ? op.update(dWeights) : op.write(dWeights), g.columns);
      long gradients = op.read(dy);
      Matrix gradient = new Matrix(gradients, g.outputs);
      long each = g.outputs / g.groups;
      parts(
          op,
          g,
          (first, count, unfolded) -> {
            unfold(op, g, in, first, count, unfolded);
            Matrix u = g.unfolds ? unfolded : new Matrix(in, g.pitch());
            for (long group = 0; group < g.groups; group++) {
              gemm.multiply(
                  op,
                  gradient.from(first * g.positions * g.outputs + group * each),
                  true,
                  u.from(group * g.columns),
                  false,
                  out.from(group * each * g.columns),
                  each,
                  g.columns,
                  count * g.positions,
                  accumulate || first > 0 ? 1 : 0);
            }
          });
      if (dBias.elements() > 0) {
        long bias = accumulate ? op.update(dBias) : op.write(dBias);
        dense.columnSums(op, gradients, dy.elements() / g.outputs, g.outputs, accumulate, bias);
      }
      op.finish();
    }
  }

  private static void parts(CudaContext.Operation op, Geometry g, Part part) {
    long atOnce = g.samplesAtOnce();
    Matrix unfolded =
        new Matrix(
            g.unfolds ? op.scratch(atOnce * g.positions * g.pitch() * Float.BYTES) : 0, g.pitch());
    for (long first = 0; first < g.batch; first += atOnce) {
      part.run(first, Math.min(atOnce, g.batch - first), unfolded);
    }
  }

  private void unfold(
      CudaContext.Operation op, Geometry g, long input, long first, long count, Matrix unfolded) {
    if (g.unfolds) {
      Affine.Convolution c = (Affine.Convolution) sizes;
      long image = c.height() * c.width() * c.inputs();
      op.launch(
          "nep_unfold",
          context.blocks("nep_unfold", count * g.positions * g.pitch(), 1),
          unfolding(input + first * image * Float.BYTES, unfolded.address(), count, c));
    }
  }

  /** An unfolded input's gradient becomes samples [first, first + count) of the input's. */
  private void fold(
      CudaContext.Operation op,
      Matrix unfolded,
      long gradient,
      long first,
      long count,
      boolean accumulate) {
    Affine.Convolution c = (Affine.Convolution) sizes;
    long image = c.height() * c.width() * c.inputs();
    long to = gradient + first * image * Float.BYTES;
    op.launch(
        "nep_unfold_back",
        context.blocks("nep_unfold_back", count * image, 1),
        folding(unfolded.address(), to, accumulate, count, c));
  }

  /** The arguments of the kernels of cuda/unfold.cu. */
  static Object[] unfolding(long from, long to, long samples, Affine.Convolution c) {
    return sizes(samples, c, from, to);
  }

  /** The same of the way back. */
  static Object[] folding(
      long from, long to, boolean accumulate, long samples, Affine.Convolution c) {
    return sizes(samples, c, from, to, accumulate ? 1 : 0);
  }

  private static Object[] sizes(long samples, Affine.Convolution c, Object... before) {
    CudaLayer.requireSmall(c.input());
    CudaLayer.requireSmall(c.output());
    Window w = c.window();
    Object[] sizes = {
      samples,
      (int) c.height(),
      (int) c.width(),
      (int) c.inputs(),
      (int) c.output().size(1),
      (int) c.output().size(2),
      w.kernelHeight(),
      w.kernelWidth(),
      w.strideHeight(),
      w.strideWidth(),
      w.top(),
      w.left(),
      w.dilationHeight(),
      w.dilationWidth(),
      c.groups()
    };
    Object[] all = Arrays.copyOf(before, before.length + sizes.length);
    System.arraycopy(sizes, 0, all, before.length, sizes.length);
    return all;
  }

  @Override
  public String implementations() {
    String unfolded = refused.isEmpty() ? "" : "unfolded (" + refused + "), ";
    return convolution.map(_ -> "cuDNN, ").orElse(unfolded) + gemm.name();
  }

  @Override
  public void close() {
    if (!closed) {
      convolution.ifPresent(CudaConvolution::close);
    }
    closed = true;
  }
}
