package io.nepenthe.evaluate;

import io.nepenthe.kernel.Philox;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * How well scores of training examples predict what training on parts of them does (Park et al.,
 * "TRAK", ICML 2023, section 2):
 *
 * <pre>
 *   p[i, q] = Σ_{j ∈ S_i} τ[q, j]          y[i, q] = f_q(θ trained on S_i)
 *   LDS = mean over q of Spearman_i( p[·, q], y[·, q] )
 * </pre>
 *
 * <p>with τ oriented so that a larger one says that j raises f. Influences say the change when j is
 * left out, so τ = −s.
 *
 * @param value the mean, or a difference of two
 * @param low lower end of the 95 % bootstrap interval over queries and subsets
 * @param high its upper end
 */
public record LinearDatamodelingScore(double value, double low, double high) {
  private static final int RESAMPLES = 1000;

  /**
   * Computes it.
   *
   * @param scores τ, [query][example]
   * @param subsets which examples each training run saw, [subset][example]
   * @param measured y, [subset][query]; a query whose y does not vary counts as 0
   * @param seed of the bootstrap
   */
  public static LinearDatamodelingScore of(
      double[][] scores, boolean[][] subsets, double[][] measured, long seed) {
    double[][] predicted = predicted(scores, subsets);
    double[][] found = byQuery(measured);
    return resampled(
        scores.length,
        subsets.length,
        seed,
        (q, chosen) -> spearman(predicted[q], found[q], chosen));
  }

  /**
   * By how much one attribution's score exceeds another's. Each resample judges both on the same
   * queries and subsets, so what makes a subset hard to predict cancels: the interval tells two
   * apart whose own intervals overlap.
   *
   * @param first its τ, [query][example]
   * @param second the other's
   * @param subsets as above
   * @param measured as above
   * @param seed of the bootstrap
   */
  public static LinearDatamodelingScore difference(
      double[][] first, double[][] second, boolean[][] subsets, double[][] measured, long seed) {
    double[][] predicted = predicted(first, subsets);
    double[][] other = predicted(second, subsets);
    double[][] found = byQuery(measured);
    return resampled(
        first.length,
        subsets.length,
        seed,
        (q, chosen) ->
            spearman(predicted[q], found[q], chosen) - spearman(other[q], found[q], chosen));
  }

  /** What is averaged over queries, on these subsets. */
  private interface Statistic {
    double of(int query, int[] chosen);
  }

  private static LinearDatamodelingScore resampled(
      int queries, int runs, long seed, Statistic statistic) {
    int[] all = IntStream.range(0, runs).toArray();
    double value = 0;
    for (int q = 0; q < queries; q++) {
      value += statistic.of(q, all) / queries;
    }
    double[] means = new double[RESAMPLES];
    for (int b = 0; b < RESAMPLES; b++) {
      long draw = 0;
      int[] chosen = new int[runs];
      for (int i = 0; i < runs; i++) {
        chosen[i] = (int) (Philox.uniform(seed, b, draw++) * runs);
      }
      for (int k = 0; k < queries; k++) {
        int q = (int) (Philox.uniform(seed, b, draw++) * queries);
        means[b] += statistic.of(q, chosen) / queries;
      }
    }
    Arrays.sort(means);
    return new LinearDatamodelingScore(
        value, means[(int) (0.025 * RESAMPLES)], means[(int) (0.975 * RESAMPLES)]);
  }

  /** p, [query][subset]. */
  private static double[][] predicted(double[][] scores, boolean[][] subsets) {
    double[][] predicted = new double[scores.length][subsets.length];
    for (int q = 0; q < scores.length; q++) {
      for (int i = 0; i < subsets.length; i++) {
        for (int j = 0; j < scores[q].length; j++) {
          predicted[q][i] += subsets[i][j] ? scores[q][j] : 0;
        }
      }
    }
    return predicted;
  }

  private static double[][] byQuery(double[][] measured) {
    double[][] found = new double[measured[0].length][measured.length];
    for (int i = 0; i < measured.length; i++) {
      for (int q = 0; q < found.length; q++) {
        found[q][i] = measured[i][q];
      }
    }
    return found;
  }

  /** Spearman's rank correlation: Pearson's of the ranks, equal values sharing theirs. */
  public static double spearman(double[] a, double[] b) {
    if (a.length != b.length) {
      throw new IllegalArgumentException(a.length + " and " + b.length + " values");
    }
    return spearman(a, b, IntStream.range(0, a.length).toArray());
  }

  private static double spearman(double[] a, double[] b, int[] chosen) {
    return pearson(
        ranks(Arrays.stream(chosen).mapToDouble(i -> a[i]).toArray()),
        ranks(Arrays.stream(chosen).mapToDouble(i -> b[i]).toArray()));
  }

  /** Pearson's correlation; 0 where one does not vary. */
  public static double pearson(double[] a, double[] b) {
    double meanA = Arrays.stream(a).average().orElse(0);
    double meanB = Arrays.stream(b).average().orElse(0);
    double product = 0;
    double squareA = 0;
    double squareB = 0;
    for (int i = 0; i < a.length; i++) {
      product += (a[i] - meanA) * (b[i] - meanB);
      squareA += (a[i] - meanA) * (a[i] - meanA);
      squareB += (b[i] - meanB) * (b[i] - meanB);
    }
    double scale = Math.sqrt(squareA * squareB);
    return scale > 0 ? product / scale : 0;
  }

  /** From 0; equal values share the mean of theirs. */
  private static double[] ranks(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double[] ranks = new double[values.length];
    for (int i = 0; i < ranks.length; i++) {
      int below = 0;
      int notAbove = values.length;
      for (int end = values.length; below < end; ) {
        int middle = (below + end) >>> 1;
        if (sorted[middle] < values[i]) {
          below = middle + 1;
        } else {
          end = middle;
        }
      }
      for (int first = below; first < notAbove; ) {
        int middle = (first + notAbove) >>> 1;
        if (sorted[middle] > values[i]) {
          notAbove = middle;
        } else {
          first = middle + 1;
        }
      }
      ranks[i] = (below + notAbove - 1) / 2.0;
    }
    return ranks;
  }
}
