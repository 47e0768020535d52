package io.nepenthe.evaluate;

import java.util.Arrays;
import java.util.stream.DoubleStream;

/**
 * Where a figure would lie with other samples of the same kind, with a confidence of 95 %. It knows
 * of the drawing of the samples that the figure was counted on and of nothing else: neither of the
 * seed that trained the model nor of the samples that an attack learnt from.
 *
 * <p>For accuracies, attack success and the shares of D_f that an attack judges {@link #wilson}:
 * each sample is judged on its own, by a model and an attacker that did not depend on it. For the
 * area under an attack's curve, which is no share of samples, {@link #areaUnderCurve}. For the mean
 * accuracy of repeated draws ({@link MembershipInference#lossAttack}, {@link
 * MembershipInference#thresholdAttack}) there is none: the draws judge the same samples again and
 * learn from those that others judge, and even of plain cross-validation the variance of the mean
 * has no unbiased estimate (Bengio and Grandvalet, "No unbiased estimator of the variance of k-fold
 * cross-validation", Journal of Machine Learning Research 5, 2004). Nor for a rate at a threshold
 * that was put by few samples ({@link LikelihoodRatio.Outcome#truePositiveRate}), whose own
 * uncertainty is the larger.
 *
 * @param low a fraction of one
 * @param high a fraction of one
 */
public record Interval(double low, double high) {
  /** The 97.5 % point of the standard normal distribution. */
  private static final double Z = 1.959963984540054;

  /** Checks the order. */
  public Interval {
    if (!(low >= 0 && low <= high && high <= 1)) {
      throw new IllegalArgumentException(
          "an interval within [0, 1] is needed, found " + low + " to " + high);
    }
  }

  /**
   * Wilson's score interval of a share: all π with |p − π| ≤ z √(π (1 − π) / n), that is (p + z²/2n
   * ± z √(p (1 − p) / n + z²/4n²)) / (1 + z²/n). Unlike p ± z √(p (1 − p) / n) it has a width where
   * p is 0 or 1 (Wilson, "Probable inference, the law of succession, and statistical inference",
   * Journal of the American Statistical Association 22, 1927; recommended by Brown, Cai and
   * DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001).
   *
   * @param share p, a fraction of one; of a mean of several models' shares of the same samples the
   *     interval is wide rather than narrow
   * @param samples n, of which it is the share
   * @throws IllegalArgumentException if the share is not in [0, 1] or there are no samples
   */
  public static Interval wilson(double share, long samples) {
    if (!(share >= 0 && share <= 1) || samples < 1) {
      throw new IllegalArgumentException(
          "a share in [0, 1] of 1 sample or more is needed, found " + share + " of " + samples);
    }
    double square = Z * Z / samples;
    double middle = (share + square / 2) / (1 + square);
    double half = Math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square);
    // Rounding must not leave the share itself outside.
    return new Interval(
        Math.min(share, Math.max(0, middle - half)), Math.max(share, Math.min(1, middle + half)));
  }

  /**
   * DeLong's interval of the area θ under an attack's curve, the chance that a member scores higher
   * than a stranger. With the share V_i of strangers below member i and the share W_j of members
   * above stranger j, ties counting half, θ = mean V = mean W and its variance is s²(V)/m +
   * s²(W)/n, whatever the distributions; the interval is symmetric for log θ/(1 − θ), which keeps
   * it within [0, 1] (DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more
   * correlated receiver operating characteristic curves", Biometrics 44, 1988; on the logit scale
   * Pepe, "The Statistical Evaluation of Medical Tests for Classification and Prediction", 2003).
   *
   * <p>That variance is 0 where all members score higher than all strangers, or all lower, and has
   * no estimate from a single sample. There the interval is {@link #wilson}'s for min(m, n)
   * samples, which is wide rather than narrow: θ is an average over means of so many independent
   * pairs (Hoeffding, "Probability inequalities for sums of bounded random variables", Journal of
   * the American Statistical Association 58, 1963, section 5).
   *
   * @param members scores of m members, at least 1, finite
   * @param others scores of n strangers, at least 1, finite
   */
  public static Interval areaUnderCurve(double[] members, double[] others) {
    int m = members.length;
    int n = others.length;
    if (Math.min(m, n) < 1
        || !DoubleStream.concat(Arrays.stream(members), Arrays.stream(others))
            .allMatch(Double::isFinite)) {
      throw new IllegalArgumentException(
          "finite scores of 1 sample or more on each side are needed, found " + m + " and " + n);
    }
    double[] below = Ranks.below(members, others);
    double area = Ranks.area(below, n);
    double variance =
        variance(below) / n / n / m + variance(Ranks.below(others, members)) / m / m / n;
    double spread = area * (1 - area);
    // A single sample has no variance (NaN), complete separation has none that means anything.
    if (!(variance > 0) || spread == 0) {
      return wilson(area, Math.min(m, n));
    }
    double logit = Math.log(area / (1 - area));
    double half = Z * Math.sqrt(variance) / spread;
    return new Interval(
        Math.min(area, logistic(logit - half)), Math.max(area, logistic(logit + half)));
  }

  private static double logistic(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  private static double variance(double... values) {
    double mean = Arrays.stream(values).average().orElseThrow();
    return Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1);
  }
}
