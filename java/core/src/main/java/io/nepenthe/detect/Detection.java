package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * What a detector says of every example of a data set.
 *
 * @param scores the higher, the more suspect; in the data set's order
 * @param flagged which the detector's own threshold takes
 */
public record Detection(double[] scores, boolean[] flagged) {
  /**
   * Checks the lengths and the scores.
   *
   * @throws IllegalArgumentException if there are not as many of both, or a score is NaN, as those
   *     of a model are whose weights are no numbers: they have no order
   */
  public Detection {
    if (scores.length != flagged.length) {
      throw new IllegalArgumentException(
          scores.length + " scores and " + flagged.length + " flags");
    }
    for (int i = 0; i < scores.length; i++) {
      if (Double.isNaN(scores[i])) {
        throw new IllegalArgumentException("the score of example " + i + " is NaN");
      }
    }
  }

  /** Flags the {@code count} highest scores, the first of equal ones. */
  static Detection ofHighest(double[] scores, long count) {
    boolean[] flagged = new boolean[scores.length];
    int[] order = order(scores);
    for (int i = 0; i < Math.min(count, order.length); i++) {
      flagged[order[i]] = true;
    }
    return new Detection(scores, flagged);
  }

  /** Positions from the most suspect to the least; the first of equal ones first. */
  public int[] order() {
    return order(scores);
  }

  private static int[] order(double[] scores) {
    return IntStream.range(0, scores.length)
        .boxed()
        // Not -score: 0 and -0 are equal.
        .sorted(Comparator.comparingDouble((Integer i) -> 0.0 - scores[i]).thenComparingInt(i -> i))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /** How many are flagged. */
  public int count() {
    int count = 0;
    for (boolean one : flagged) {
      count += one ? 1 : 0;
    }
    return count;
  }

  /** The ids of the flagged examples, the most suspect first. */
  public long[] flaggedIds(Dataset dataset) {
    return Arrays.stream(order()).filter(i -> flagged[i]).mapToLong(dataset::id).toArray();
  }

  /**
   * The area under the ROC curve of the scores against the truth: the probability that a tampered
   * example scores higher than another, ties counting half (Mann, Whitney 1947).
   *
   * @throws IllegalArgumentException if all are tampered, or none
   */
  public double auc(boolean[] tampered) {
    int[] ascending = order();
    double ranks = 0;
    long positives = 0;
    int n = ascending.length;
    for (int i = 0; i < n; ) {
      int end = i;
      while (end < n && scores[ascending[n - 1 - end]] == scores[ascending[n - 1 - i]]) {
        end++;
      }
      double rank = (i + 1 + end) / 2.0;
      for (int k = i; k < end; k++) {
        if (tampered[ascending[n - 1 - k]]) {
          ranks += rank;
          positives++;
        }
      }
      i = end;
    }
    long negatives = n - positives;
    if (positives == 0 || negatives == 0) {
      throw new IllegalArgumentException("an AUC needs both tampered and other examples");
    }
    return (ranks - positives * (positives + 1) / 2.0) / positives / negatives;
  }

  /** The share of the tampered examples among the {@code share} most suspect. */
  public double recallAt(double share, boolean[] tampered) {
    int[] order = order();
    int looked = (int) Math.round(share * order.length);
    int found = 0;
    int all = 0;
    for (int i = 0; i < order.length; i++) {
      all += tampered[order[i]] ? 1 : 0;
      found += i < looked && tampered[order[i]] ? 1 : 0;
    }
    return (double) found / all;
  }

  /** The share of the flagged that are tampered; NaN if none is flagged. */
  public double precision(boolean[] tampered) {
    return (double) hits(tampered) / count();
  }

  /** The share of the tampered that are flagged. */
  public double recall(boolean[] tampered) {
    int all = 0;
    for (boolean one : tampered) {
      all += one ? 1 : 0;
    }
    return (double) hits(tampered) / all;
  }

  private int hits(boolean[] tampered) {
    int hits = 0;
    for (int i = 0; i < flagged.length; i++) {
      hits += flagged[i] && tampered[i] ? 1 : 0;
    }
    return hits;
  }
}
