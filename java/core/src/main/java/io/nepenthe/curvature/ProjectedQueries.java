package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Owned;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The scores of a block of one group without its gradients: inputs meet the queries first, {@link
 * ScoreRoute#QUERIES_FIRST}, or both sides meet the queries' vectors, {@link ScoreRoute#LOW_RANK}.
 */
final class ProjectedQueries implements AutoCloseable {
  /** The floats that projections may take at once. */
  private static final long MOST_FLOATS = 1L << 24;

  private static final Convolution POINT = Window.square(1).convolution(1);

  private final Backend backend;
  private final ParameterBlock block;
  private final Arena arena = Arena.ofShared();
  private final long count;
  private final long rank;
  private final InputProjection right;
  private final InputProjection left;
  private final Room room;
  private long mostFloats = MOST_FLOATS;

  /** Queries first. */
  ProjectedQueries(Backend backend, ParameterBlock block, Tensor values) {
    this.backend = backend;
    this.room = new Room(arena, backend);
    this.block = block;
    this.count = values.shape().size(0);
    this.rank = 0;
    this.left = null;
    long outputs = block.outputs();
    // Output o of every query next to each other: they then meet g as positions.
    Tensor rows = Tensor.zeros(arena, outputs * count, block.columns());
    Shape row = Shape.of(block.columns());
    for (long q = 0; q < count; q++) {
      for (long o = 0; o < outputs; o++) {
        rows.slice((o * count + q) * block.columns(), row)
            .copyFrom(values.slice((q * outputs + o) * block.columns(), row));
      }
    }
    this.right = new InputProjection(backend, block, rows);
  }

  /** Of low rank. */
  ProjectedQueries(Backend backend, ParameterBlock block, LowRank queries) {
    this.backend = backend;
    this.room = new Room(arena, backend);
    this.block = block;
    this.count = queries.left().shape().size(0);
    this.rank = queries.rank();
    this.left = new InputProjection(backend, POINT, block.outputs(), false, queries.left());
    this.right =
        Owned.orClose(left::close, () -> new InputProjection(backend, block, queries.right()));
  }

  /** Projects so many floats at once, at least those of a sample: for tests. */
  void atOnce(long floats) {
    mostFloats = floats;
  }

  /** Writes [queries, n]; input and gradient as images. */
  void scores(Tensor input, Tensor gradient, Tensor out) {
    long samples = gradient.shape().size(0);
    long positions = gradient.elements() / samples / block.outputs();
    long chunk = chunk(positions);
    for (long first = 0; first < samples; first += chunk) {
      long n = Math.min(chunk, samples - first);
      try (Arena scratch = Arena.ofConfined()) {
        Tensor some = rank > 0 ? room.of(Shape.of(count, n)) : Tensor.zeros(scratch, count, n);
        Tensor g = RotatedGradients.samples(gradient, first, n);
        Tensor projected = right.of(RotatedGradients.samples(input, first, n), g.shape());
        if (rank > 0) {
          Shape factors = Shape.of(n, positions, count, rank);
          backend
              .perSample()
              .pairScoresFactored(
                  left.of(g, g.shape()).reshape(factors), projected.reshape(factors), some);
        } else {
          summed(scratch, projected, g, positions, some);
        }
        for (long q = 0; q < count; q++) {
          out.slice(q * samples + first, Shape.of(n)).copyFrom(some.slice(q * n, Shape.of(n)));
        }
      }
    }
  }

  /**
   * Writes the score of every position of the samples on its own, [queries, n, positions]: they sum
   * to the sample's.
   */
  void positions(Tensor input, Tensor gradient, Tensor out) {
    if (rank > 0) {
      throw new IllegalStateException("low-rank factors have no scores by position");
    }
    long samples = gradient.shape().size(0);
    long positions = gradient.elements() / samples / block.outputs();
    long chunk = chunk(positions);
    for (long first = 0; first < samples; first += chunk) {
      long n = Math.min(chunk, samples - first);
      try (Arena scratch = Arena.ofConfined()) {
        Tensor g = RotatedGradients.samples(gradient, first, n);
        Tensor projected = right.of(RotatedGradients.samples(input, first, n), g.shape());
        Tensor each = each(scratch, projected, g, positions);
        for (long at = 0; at < each.elements(); at++) {
          long q = at % count;
          long row = at / count;
          out.set((q * samples + first) * positions + row, each.get(at));
        }
      }
    }
  }

  private long chunk(long positions) {
    long each = Math.max(1, rank > 0 ? 2 * count * rank : count * block.outputs());
    return Math.max(1, mostFloats / (positions * each));
  }

  /** Σₒ (V_q ā)[o]·g[o] of every position, [n·positions, queries]: a gradient of one feature. */
  private Tensor each(Arena scratch, Tensor projected, Tensor gradient, long positions) {
    long rows = gradient.elements() / block.outputs();
    Tensor each = Tensor.zeros(scratch, rows, count, 1);
    backend
        .perSample()
        .sampleGradients(
            gradient.reshape(Shape.of(rows, block.outputs(), 1)),
            projected.reshape(Shape.of(rows, block.outputs(), count)),
            false,
            each);
    return each;
  }

  private void summed(
      Arena scratch, Tensor projected, Tensor gradient, long positions, Tensor out) {
    Tensor each = each(scratch, projected, gradient, positions);
    long n = out.shape().size(1);
    for (long i = 0; i < n; i++) {
      for (long q = 0; q < count; q++) {
        double sum = 0;
        for (long t = 0; t < positions; t++) {
          sum += each.get((i * positions + t) * count + q);
        }
        out.set(q * n + i, (float) sum);
      }
    }
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      right.close();
      if (left != null) {
        left.close();
      }
      arena.close();
    }
  }
}
