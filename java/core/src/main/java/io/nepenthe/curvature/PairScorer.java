package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The visitor that multiplies every example's gradient with all queries. The score is linear in the
 * gradient, so the uses of a tied layer add up.
 */
final class PairScorer implements LayerVisitor, AutoCloseable {
  private final Backend backend;
  private final Queries queries;
  private final InfluenceScores scores;
  private final long firstQuery;
  private final Arena arena = Arena.ofShared();
  private final Ones ones = new Ones();
  private Tensor room = Tensor.zeros(arena, 0);
  private long first;

  PairScorer(Backend backend, Queries queries, InfluenceScores scores, long firstQuery) {
    this.backend = backend;
    this.queries = queries;
    this.scores = scores;
    this.firstQuery = firstQuery;
  }

  LayerVisitor visiting(long example, int count) {
    first = example;
    if (room.elements() < queries.count() * count) {
      room = Tensor.zeros(arena, queries.count() * count);
    }
    return this;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    long n = input.shape().size(0);
    Tensor out = room.slice(0, Shape.of(queries.count(), n));
    for (ParameterBlock block : queries.blocks()) {
      if (!block.layer().equals(layer.layer().name())) {
        continue;
      }
      Tensor values = queries.values(block);
      if (block.isDiagonal()) {
        normalisation(input, outputGradient, values, out);
      } else {
        Tensor gradient = ParameterBlock.image(outputGradient);
        backend
            .perSample()
            .pairScores(
                block.convolution(),
                ones.inputOf(block, input, gradient),
                gradient,
                block.appendsOne(),
                values,
                out);
      }
      scores.add(block, firstQuery, first, out);
    }
  }

  /** Of written gradients, which are two vectors. */
  private void normalisation(Tensor input, Tensor gradient, Tensor values, Tensor out) {
    long n = input.shape().size(0);
    long size = values.elements() / queries.count();
    try (Arena scratch = Arena.ofConfined()) {
      Tensor written = Tensor.zeros(scratch, n, 1, size);
      SampleBlockGradients.normalisation(input, gradient, written);
      Tensor one = Tensor.zeros(scratch, n, 1, 1);
      for (long i = 0; i < n; i++) {
        one.set(i, 1);
      }
      backend
          .perSample()
          .pairScores(written, one, false, values.reshape(Shape.of(queries.count(), 1, size)), out);
    }
  }

  @Override
  public void close() {
    ones.close();
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
