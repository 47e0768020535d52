package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.PackedQueries;
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
final class PairScorer implements FisherVectors.Listener, AutoCloseable {
  private final Backend backend;
  private final Queries queries;
  private final BatchScores scores;
  private final Arena arena = Arena.ofShared();
  private final Ones ones;
  private final Room written;
  private final Optional<ScoreRoute> wanted;
  private final Map<String, ProjectedQueries> projected = new HashMap<>();

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
    this.scores = new BatchScores(backend, scores, firstQuery, queries.count());
    this.ones = new Ones(backend);
    this.written = new Room(arena, backend);
  }

  FisherVectors.Listener visiting(long example, int count) {
    scores.begin(example, count);
    return this;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    Tensor out = scores.of(input.shape().size(0));
    for (ParameterBlock block : queries.blocks()) {
      if (!block.isOf(layer)) {
        continue;
      }
      if (block.isDiagonal()) {
        normalisation(input, outputGradient, queries.packed(backend, block, 1), out);
      } else {
        Tensor gradient = ParameterBlock.image(outputGradient);
        scores(block, ones.inputOf(block, input, gradient), gradient, out);
      }
      scores.add(block, 0, out);
    }
  }

  @Override
  public void passed() {
    scores.end();
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
    long features = values.features();
    Tensor both = written.of(Shape.of(n, 2, features / 2));
    backend.perSample().sampleNormalisationGradients(input, gradient, both);
    Tensor one = ones.of(Shape.of(n, 1, 1));
    Tensor rows = both.reshape(Shape.of(n, 1, features));
    backend.perSample().pairScores(rows, one, false, values, out);
  }

  @Override
  public void close() {
    ones.close();
    scores.close();
    projected.values().forEach(ProjectedQueries::close);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
