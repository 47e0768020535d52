package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.PackedQueries;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

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
  private final Optional<ScoreRoute> wanted;
  private final Map<String, ProjectedQueries> projected = new HashMap<>();
  private Tensor room = Tensor.zeros(arena, 0);
  private long first;

  /** By the usual routes. */
  PairScorer(Backend backend, Queries queries, InfluenceScores scores, long firstQuery) {
    this(backend, queries, scores, firstQuery, Optional.empty());
  }

  /**
   * By a route.
   *
   * @param wanted where a block has it
   */
  PairScorer(
      Backend backend,
      Queries queries,
      InfluenceScores scores,
      long firstQuery,
      Optional<ScoreRoute> wanted) {
    this.wanted = wanted;
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
      if (block.isDiagonal()) {
        normalisation(input, outputGradient, queries.packed(backend, block, 1), out);
      } else {
        Tensor gradient = ParameterBlock.image(outputGradient);
        scores(block, ones.inputOf(block, input, gradient), gradient, out);
      }
      scores.add(block, firstQuery, first, out);
    }
  }

  private void scores(ParameterBlock block, Tensor input, Tensor gradient, Tensor out) {
    long positions = gradient.elements() / out.shape().size(1) / block.outputs();
    ScoreRoute route = route(block, positions);
    if (route == ScoreRoute.FORMED) {
      backend
          .perSample()
          .pairScores(
              block.convolution(),
              input,
              gradient,
              block.appendsOne(),
              queries.packed(backend, block, positions),
              out);
      return;
    }
    projected
        .computeIfAbsent(
            block.name(),
            name ->
                route == ScoreRoute.LOW_RANK
                    ? new ProjectedQueries(backend, block, queries.factors(block).orElseThrow())
                    : new ProjectedQueries(backend, block, queries.values(block)))
        .scores(input, gradient, out);
  }

  private ScoreRoute route(ParameterBlock block, long positions) {
    long rank = queries.factors(block).map(LowRank::rank).orElse(0L);
    ScoreRoute route =
        wanted.orElse(
            ScoreRoute.ofRank(queries.count(), positions, block.outputs(), block.columns(), rank));
    boolean possible = block.groups() == 1 && (rank > 0 || route != ScoreRoute.LOW_RANK);
    return possible ? route : ScoreRoute.FORMED;
  }

  /** Of written gradients, which are two vectors. */
  private void normalisation(Tensor input, Tensor gradient, PackedQueries values, Tensor out) {
    long n = input.shape().size(0);
    try (Arena scratch = Arena.ofConfined()) {
      Tensor written = Tensor.zeros(scratch, n, 1, values.features());
      SampleBlockGradients.normalisation(input, gradient, written);
      Tensor one = Tensor.zeros(scratch, n, 1, 1);
      for (long i = 0; i < n; i++) {
        one.set(i, 1);
      }
      backend.perSample().pairScores(written, one, false, values, out);
    }
  }

  @Override
  public void close() {
    ones.close();
    projected.values().forEach(ProjectedQueries::close);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
