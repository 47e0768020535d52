package io.nepenthe.evaluate;

import io.nepenthe.kernel.Philox;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * The counterfactual of an attribution: for each query the k examples that are said to support it
 * most are removed, and the network is trained anew (Ilyas et al., "Datamodels", 2022; Park et al.,
 * "TRAK", 2023). With the margin as f,
 *
 * <pre>
 *   flipped[k]    = share of the queries whose mean margin is negative then, of those with a positive one before
 *   fall[k]       = mean over queries of  f_q(before) − f_q(after)
 *   brittleness_q = the least k of the grid that flips q
 * </pre>
 *
 * @param grid k, ascending
 * @param before mean margin of each query, trained on all
 * @param after the same without the query's k most supporting examples, [k][query]
 */
public record SubsetRemoval(int[] grid, double[] before, double[][] after) {
  /**
   * Trains for every query, every k of the grid and every seed.
   *
   * @param support [query][example]: the larger, the more the example supports the query; of
   *     influences on the loss or the negative margin the scores themselves
   * @param grid k, ascending, each at most the number of examples less one
   * @param retraining that measures the margin
   * @param seed the first
   * @param seeds how many are averaged
   */
  public static SubsetRemoval of(
      double[][] support, int[] grid, Retraining retraining, long seed, int seeds) {
    int examples = support[0].length;
    for (int i = 0; i < grid.length; i++) {
      if (grid[i] < (i == 0 ? 0 : grid[i - 1] + 1) || grid[i] >= examples) {
        throw new IllegalArgumentException(
            "the grid must ascend within 0…" + (examples - 1) + ", found " + grid[i]);
      }
    }
    double[] before = retraining.mean(Retraining.without(examples), seed, seeds);
    double[][] after = new double[grid.length][support.length];
    for (int q = 0; q < support.length; q++) {
      double[] own = support[q];
      int[] order =
          IntStream.range(0, examples)
              .boxed()
              .sorted(Comparator.comparingDouble((Integer j) -> -own[j]))
              .mapToInt(Integer::intValue)
              .toArray();
      for (int i = 0; i < grid.length; i++) {
        long[] kept = Retraining.without(examples, IntStream.of(order).limit(grid[i]).toArray());
        after[i][q] = retraining.mean(kept, seed, seeds)[q];
      }
    }
    return new SubsetRemoval(grid, before, after);
  }

  /** Support that says nothing, drawn by the seed: what removing any k examples does. */
  public static double[][] random(int queries, int examples, long seed) {
    double[][] support = new double[queries][examples];
    for (int q = 0; q < queries; q++) {
      for (int j = 0; j < examples; j++) {
        support[q][j] = Philox.uniform(seed, q, j);
      }
    }
    return support;
  }

  /** The share of the right answers that the grid's k-th removal flips; NaN if none was right. */
  public double flipped(int k) {
    int right = 0;
    int flipped = 0;
    for (int q = 0; q < before.length; q++) {
      right += before[q] > 0 ? 1 : 0;
      flipped += before[q] > 0 && after[k][q] < 0 ? 1 : 0;
    }
    return (double) flipped / right;
  }

  /** How much the margin falls in the mean. */
  public double fall(int k) {
    return IntStream.range(0, before.length)
        .mapToDouble(q -> before[q] - after[k][q])
        .average()
        .orElse(0);
  }

  /** The least of the grid that flips a query; −1 if none does, 0 if it was wrong before. */
  public int brittleness(int query) {
    if (before[query] < 0) {
      return 0;
    }
    return IntStream.range(0, grid.length)
        .filter(k -> after[k][query] < 0)
        .map(k -> grid[k])
        .findFirst()
        .orElse(-1);
  }
}
