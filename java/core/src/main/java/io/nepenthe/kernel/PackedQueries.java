package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * Queries of {@link PairScores} in the order in which its kernel reads them: packed once, they meet
 * any number of batches. Made by {@link PerSample#packQueries}; their memory is in the caller's
 * arena, or, where there is nothing to pack or to move, that of the queries.
 *
 * @param values in a form that only the backend that made them knows
 * @param count how many
 * @param groups of the convolution; 1 for a linear layer
 * @param onePosition whether for layers of one position, T = 1, or of several
 * @param outputs O, over all groups
 * @param features J, the bias's included
 */
public record PackedQueries(
    Tensor values, long count, int groups, boolean onePosition, long outputs, long features) {
  /** Checks the groups. */
  public PackedQueries {
    if (groups < 1 || outputs % groups != 0) {
      throw new IllegalArgumentException(outputs + " outputs in " + groups + " groups");
    }
  }

  PackedQueries as(Tensor other) {
    return new PackedQueries(other, count, groups, onePosition, outputs, features);
  }
}
