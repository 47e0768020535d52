package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Launches of cuda/{self_scores,pair_scores,philox}.cu. */
final class CudaPerSample implements PerSample {
  /** What samples' gradients may take at once. */
  private static final long MOST_BYTES = 256L << 20;

  private static final int LANES = 32;

  private final CudaContext context;
  private final CudaGemm gemm;
  private final CudaSampleGradients gradients;
  private final String suffix;

  CudaPerSample(CudaContext context, CudaGemm gemm, Precision precision) {
    this.context = context;
    this.gemm = gemm;
    this.suffix = "_" + precision.suffix();
    this.gradients = new CudaSampleGradients(context, suffix);
  }

  @Override
  public void covariance(
      Tensor rows,
      MemorySegment mask,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance) {
    CudaCovariance.add(
        context, suffix, LayerGeometry.linear(rows, 1), rows, mask, bias, sharing, covariance);
  }

  @Override
  public void covariance(
      Convolution convolution,
      Tensor input,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, convolution.groups());
    CudaCovariance.add(context, suffix, geometry, input, ALL, bias, sharing, covariance);
  }

  @Override
  public void sampleGradients(Tensor input, Tensor outputGradient, boolean bias, Tensor out) {
    gradients.write(LayerGeometry.linear(input, outputGradient), input, outputGradient, bias, out);
  }

  @Override
  public void sampleGradients(
      Convolution convolution, Tensor input, Tensor outputGradient, boolean bias, Tensor out) {
    gradients.write(
        LayerGeometry.convolution(convolution, input, outputGradient),
        input,
        outputGradient,
        bias,
        out);
  }

  @Override
  public void sampleNormalisationGradients(Tensor normalised, Tensor outputGradient, Tensor out) {
    gradients.writeNormalisation(normalised, outputGradient, out);
  }

  @Override
  public void selfScores(
      Tensor input,
      Tensor outputGradient,
      Tensor weights,
      Tensor scores,
      SelfScores.Strategy strategy) {
    LayerGeometry geometry = LayerGeometry.linear(input, outputGradient);
    selfScores(geometry, input, outputGradient, weights, scores, strategy);
  }

  @Override
  public void selfScores(
      Convolution convolution, Tensor input, Tensor outputGradient, Tensor weights, Tensor scores) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, outputGradient);
    SelfScores.Strategy strategy = SelfScores.strategyFor(geometry);
    selfScores(geometry, input, outputGradient, weights, scores, strategy);
  }

  private void selfScores(
      LayerGeometry geometry,
      Tensor input,
      Tensor gradient,
      Tensor weights,
      Tensor scores,
      SelfScores.Strategy strategy) {
    SelfScores.check(geometry, input, gradient, weights, scores, strategy);
    if (input.elements() == 0 || gradient.elements() == 0) {
      scores.clear();
      return;
    }
    SquareGradients.Size size = CudaSampleGradients.size(geometry, false);
    try (var op =
        context.begin(
            "selfScores",
            input.shape() + " " + gradient.shape(),
            SelfScores.bytes(size),
            SelfScores.flops(size, strategy))) {
      long target = op.write(scores);
      long in = op.read(input);
      long out = op.read(gradient);
      long inverse = op.read(weights);
      if (strategy == SelfScores.Strategy.SQUARES) {
        squares(op, geometry, in, out, inverse, target);
      } else {
        products(op, geometry, in, out, inverse, target);
      }
      op.finish();
    }
  }

  private void products(
      CudaContext.Operation op,
      LayerGeometry geometry,
      long input,
      long gradient,
      long weights,
      long scores) {
    long samples = geometry.samples();
    long groups = geometry.convolution().groups();
    long tiles = CudaLayer.tiles(geometry.outputs() / groups, geometry.columns());
    long partial = op.scratch(tiles * groups * samples * Float.BYTES);
    op.launch(
        "nep_self_scores" + suffix,
        new CudaDriver.Grid(tiles, groups, CudaLayer.runs(context, tiles * groups, samples)),
        CudaLayer.arguments(geometry, input, gradient, weights, partial, samples));
    op.launch(
        "nep_self_scores_totals",
        context.blocks("nep_self_scores_totals", samples, 1),
        partial,
        tiles * groups,
        samples,
        scores);
  }

  /** Σⱼ a²·(g²W)ⱼ for one position. */
  private void squares(
      CudaContext.Operation op,
      LayerGeometry geometry,
      long input,
      long gradient,
      long weights,
      long scores) {
    long samples = geometry.samples();
    long columns = geometry.columns();
    long outputs = geometry.outputs();
    long squared = op.scratch(samples * outputs * Float.BYTES);
    op.launch(
        "nep_self_scores_squares",
        context.blocks("nep_self_scores_squares", samples * outputs, 1),
        gradient,
        squared,
        samples * outputs);
    long product = op.scratch(samples * columns * Float.BYTES);
    gemm.multiply(
        op,
        new CudaGemm.Matrix(squared, outputs),
        false,
        new CudaGemm.Matrix(weights, columns),
        false,
        new CudaGemm.Matrix(product, columns),
        samples,
        columns,
        outputs,
        0);
    rows(op, input, product, columns, samples, columns, scores);
  }

  private void rows(
      CudaContext.Operation op,
      long rows,
      long weights,
      long pitch,
      long samples,
      long size,
      long scores) {
    op.launch(
        "nep_self_scores_rows",
        Math.min(samples, context.blocks("nep_self_scores_rows", Long.MAX_VALUE / 4, 1)),
        rows,
        weights,
        pitch,
        samples,
        size,
        scores);
  }

  @Override
  public void selfScores(Tensor gradients, Tensor weights, Tensor scores) {
    long samples = SelfScores.checkGradients(gradients, weights, scores);
    if (gradients.elements() == 0) {
      scores.clear();
      return;
    }
    long size = weights.elements();
    try (var op =
        context.begin(
            "selfScores",
            gradients.shape(),
            Float.BYTES * (gradients.elements() + size + samples),
            3 * gradients.elements())) {
      long target = op.write(scores);
      rows(op, op.read(gradients), op.read(weights), 0, samples, size, target);
      op.finish();
    }
  }

  /** In their order, which the product takes, but on the device: they meet many batches. */
  @Override
  public PackedQueries packQueries(Arena arena, long positions, int groups, Tensor queries) {
    PackedQueries plain = PairScores.unpacked(positions, groups, queries);
    if (!queries.onHost()) {
      return plain;
    }
    Tensor here = context.memory().zeros(arena, queries.shape());
    here.copyFrom(queries);
    return plain.as(here);
  }

  @Override
  public void pairScores(
      Tensor input, Tensor outputGradient, boolean bias, PackedQueries queries, Tensor scores) {
    pairScores(
        LayerGeometry.linear(input, outputGradient), input, outputGradient, bias, queries, scores);
  }

  @Override
  public void pairScores(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, outputGradient);
    pairScores(geometry, input, outputGradient, bias, queries, scores);
  }

  /** A chunk of samples' gradients at a time, then the product of all queries with them. */
  private void pairScores(
      LayerGeometry geometry,
      Tensor input,
      Tensor gradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores) {
    long count = PairScores.check(geometry, input, gradient, bias, queries, scores);
    if (input.elements() == 0 || gradient.elements() == 0 || count == 0) {
      scores.clear();
      return;
    }
    SquareGradients.Size size = CudaSampleGradients.size(geometry, bias);
    long weights = geometry.outputs() * geometry.features(bias);
    long samples = geometry.samples();
    long atOnce = Math.clamp(MOST_BYTES / (weights * Float.BYTES), 1, samples);
    try (var op =
        context.begin(
            "pairScores",
            input.shape() + " " + count,
            PairScores.bytes(size, count, input.elements()),
            PairScores.flops(size, count))) {
      CudaGemm.Matrix target = new CudaGemm.Matrix(op.write(scores), samples);
      CudaGemm.Matrix wanted = new CudaGemm.Matrix(op.read(queries.values()), weights);
      CudaGemm.Matrix formed =
          new CudaGemm.Matrix(op.scratch(atOnce * weights * Float.BYTES), weights);
      long in = op.read(input);
      long out = op.read(gradient);
      long inputBytes = input.shape().bytes() / samples;
      long gradientBytes = gradient.shape().bytes() / samples;
      for (long first = 0; first < samples; first += atOnce) {
        LayerGeometry part = geometry.withSamples(Math.min(atOnce, samples - first));
        gradients.form(
            op, part, in + first * inputBytes, out + first * gradientBytes, bias, formed.address());
        gemm.multiply(
            op, wanted, false, formed, true, target.from(first), count, part.samples(), weights, 0);
      }
      op.finish();
    }
  }

  @Override
  public void pairScoresFactored(Tensor left, Tensor right, Tensor scores) {
    Shape shape = PairScores.checkFactored(left, right, scores);
    if (left.elements() == 0) {
      scores.clear();
      return;
    }
    long pairs = shape.size(0) * shape.size(2);
    try (var op =
        context.begin("pairScoresFactored", shape, 2 * left.shape().bytes(), 2 * left.elements())) {
      long target = op.write(scores);
      op.launch(
          "nep_pair_scores_factored",
          context.blocks("nep_pair_scores_factored", pairs * LANES, 1),
          op.read(left),
          op.read(right),
          shape.size(0),
          shape.size(1),
          shape.size(2),
          shape.size(3),
          target);
      op.finish();
    }
  }

  @Override
  public void philox(MemorySegment out, long key, long stream, long first) {
    Philox.check(out);
    long words = out.byteSize() / Long.BYTES;
    if (words == 0) {
      return;
    }
    try (var op = context.begin("philox", words, Philox.bytes(words), Philox.flops(words))) {
      long target = op.scratch(out.byteSize());
      op.launch(
          "nep_philox", context.blocks("nep_philox", words, 2), target, words, key, stream, first);
      context.driver().download(out, target);
      op.finish();
    }
  }
}
