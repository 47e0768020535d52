package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * A batch's scores, summed over the blocks where they are computed: they come to the host when the
 * batch ends, and those of a block alone where {@link InfluenceScores} keeps them.
 */
final class BatchScores implements AutoCloseable {
  private final Backend backend;
  private final InfluenceScores scores;
  private final long firstQuery;
  private final long queries;
  private final Arena arena = Arena.ofShared();
  private final Room room;
  private final Room sums;
  private Tensor sum = Tensor.zeros(arena, 0);
  private long first;

  /**
   * Of some queries.
   *
   * @param firstQuery the first one's place in {@code scores}
   */
  BatchScores(Backend backend, InfluenceScores scores, long firstQuery, long queries) {
    this.backend = backend;
    this.scores = scores;
    this.firstQuery = firstQuery;
    this.queries = queries;
    this.room = new Room(arena, backend);
    this.sums = new Room(arena, backend);
  }

  /** Begins a batch, at zero. */
  void begin(long example, int count) {
    first = example;
    sum = sums.of(Shape.of(queries, count));
    sum.clear();
  }

  /** Room for a block's scores, [queries, examples]; valid until the next call. */
  Tensor of(long examples) {
    return room.of(Shape.of(queries, examples));
  }

  /**
   * Adds a block's scores of all examples of the batch, or, of one query, of those from {@code
   * from} on.
   */
  void add(ParameterBlock block, long from, Tensor more) {
    Tensor part = sum.slice(from, more.shape());
    backend.dense().add(part, more, part);
    if (scores.keeps(block)) {
      try (Arena scratch = Arena.ofConfined()) {
        scores.add(block, firstQuery, first + from, more.toHost(scratch));
      }
    }
  }

  /** The batch ends. */
  void end() {
    try (Arena scratch = Arena.ofConfined()) {
      scores.add(firstQuery, first, sum.toHost(scratch));
    }
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
