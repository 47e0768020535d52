package io.nepenthe.unlearn;

/** Projection on the capped simplex {w : 0 ≤ w_i ≤ 1, Σ w_i = m}. */
final class CappedSimplex {
  private CappedSimplex() {}

  /**
   * The nearest point to w, in place: clip(w − μ, 0, 1), with μ from bisection on [min w − 1, max
   * w], in float64, until the bracket cannot shrink.
   *
   * @param total m, from 0 to the number of values
   * @throws IllegalArgumentException if it is not
   */
  static void project(double[] w, double total) {
    if (!(total >= 0 && total <= w.length)) {
      throw new IllegalArgumentException(
          "the total must be from 0 to " + w.length + ", found " + total);
    }
    if (w.length == 0) {
      return;
    }
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (double value : w) {
      low = Math.min(low, value - 1);
      high = Math.max(high, value);
    }
    while (true) {
      double middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) {
        break;
      }
      if (sum(w, middle) > total) {
        low = middle;
      } else {
        high = middle;
      }
    }
    // Of the bracket's two ends the one whose sum is nearer: at the total's ends it matters.
    double mu = Math.abs(sum(w, low) - total) < Math.abs(sum(w, high) - total) ? low : high;
    for (int i = 0; i < w.length; i++) {
      w[i] = Math.min(1, Math.max(0, w[i] - mu));
    }
  }

  private static double sum(double[] w, double mu) {
    double sum = 0;
    for (double value : w) {
      sum += Math.min(1, Math.max(0, value - mu));
    }
    return sum;
  }
}
