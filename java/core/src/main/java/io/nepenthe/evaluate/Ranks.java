package io.nepenthe.evaluate;

import java.util.stream.DoubleStream;

/** How scores of two sets lie among each other; sorts once. */
final class Ranks {
  private Ranks() {}

  /** For each score how many of the others are smaller, those that are equal counting half. */
  static double[] below(double[] scores, double[] others) {
    double[] sorted = DoubleStream.of(others).sorted().toArray();
    return DoubleStream.of(scores)
        .map(score -> (below(sorted, score, false) + below(sorted, score, true)) / 2.0)
        .toArray();
  }

  /** The area under the curve: the chance that a member scores higher, ties counting half. */
  static double area(double[] members, double[] others) {
    return area(below(members, others), others.length);
  }

  /** The same of what {@link #below} counted among so many others. */
  static double area(double[] below, int others) {
    double sum = 0;
    for (double count : below) {
      sum += count;
    }
    return sum / below.length / others;
  }

  /** How many are smaller, or with {@code equal} no larger. */
  private static int below(double[] sorted, double value, boolean equal) {
    int low = 0;
    int high = sorted.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (sorted[middle] < value || equal && sorted[middle] == value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
