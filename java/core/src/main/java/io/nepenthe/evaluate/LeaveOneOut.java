package io.nepenthe.evaluate;

import java.util.stream.IntStream;

/**
 * How scores of single examples correlate with what leaving them out does,
 *
 * <pre>
 *   y[q, j] = mean over seeds of  f_q(trained without j) − f_q(trained on all)
 *   value   = mean over q of Pearson_j( s[q, ·], y[q, ·] )
 * </pre>
 *
 * <p>Both trainings of a seed begin with the same weights. Networks that are not convex vary from
 * seed to seed by more than one example matters: one seed alone gives correlations near 0.
 *
 * @param value the mean over queries
 * @param byQuery of each query
 * @param changes y, [query][left out]
 */
public record LeaveOneOut(double value, double[] byQuery, double[][] changes) {
  /**
   * Trains once for every seed and once more for every example and seed.
   *
   * @param scores s, [query][example]; a positive one predicts that f rises without the example
   * @param leftOut positions of the examples that are left out, one at a time
   * @param seed the first
   * @param seeds how many are averaged
   */
  public static LeaveOneOut of(
      double[][] scores, int[] leftOut, Retraining retraining, long seed, int seeds) {
    int queries = scores.length;
    int examples = queries == 0 ? 0 : scores[0].length;
    double[] all = retraining.mean(Retraining.without(examples), seed, seeds);
    double[][] changes = new double[queries][leftOut.length];
    for (int k = 0; k < leftOut.length; k++) {
      double[] found = retraining.mean(Retraining.without(examples, leftOut[k]), seed, seeds);
      for (int q = 0; q < queries; q++) {
        changes[q][k] = found[q] - all[q];
      }
    }
    double[] byQuery =
        IntStream.range(0, queries)
            .mapToDouble(
                q ->
                    LinearDatamodelingScore.pearson(
                        IntStream.of(leftOut).mapToDouble(j -> scores[q][j]).toArray(), changes[q]))
            .toArray();
    return new LeaveOneOut(
        IntStream.range(0, queries).mapToDouble(q -> byQuery[q]).average().orElse(0),
        byQuery,
        changes);
  }
}
