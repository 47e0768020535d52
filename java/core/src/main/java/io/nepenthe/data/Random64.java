package io.nepenthe.data;

/**
 * A small generator whose stream is fixed by its key on every machine and Java version: SplitMix64
 * (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
final class Random64 {
  /**
   * What streams of a seed are for. The order of an epoch is drawn from (seed, epoch), with epochs
   * from 0 on: a purpose below 0 is no epoch's. A split drawn from an epoch's own stream would take
   * the samples that come first in that epoch.
   */
  static final long SHUFFLE = -1;

  static final long SPLIT = -2;
  static final long CHOICE = -3;
  static final long KNOWN = -4;

  private static final long GOLDEN = 0x9e3779b97f4a7c15L;

  private long state;

  /** The stream of a key; the parts' order matters, and no part is lost in another. */
  Random64(long... key) {
    long mixed = 0;
    for (long part : key) {
      mixed = mix(mixed + GOLDEN ^ mix(part + GOLDEN));
    }
    state = mixed;
  }

  private static long mix(long z) {
    z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
    z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
    return z ^ z >>> 31;
  }

  long nextLong() {
    state += GOLDEN;
    return mix(state);
  }

  /** Uniform in [0, bound), without bias (Lemire 2019). */
  long nextLong(long bound) {
    if (bound < 1) {
      throw new IllegalArgumentException("bound must be positive: " + bound);
    }
    long threshold = Long.remainderUnsigned(-bound, bound);
    while (true) {
      long random = nextLong();
      if (Long.compareUnsigned(random * bound, threshold) >= 0) {
        return Math.unsignedMultiplyHigh(random, bound);
      }
    }
  }

  int nextInt(int bound) {
    return (int) nextLong(bound);
  }

  /** Uniform in [0, 1). */
  double nextDouble() {
    return (nextLong() >>> 11) * 0x1p-53;
  }

  /** Uniform in [low, high). */
  double between(double low, double high) {
    return low + (high - low) * nextDouble();
  }

  /**
   * Mean 0, variance 1, within ±√12: the sum of four uniform 16-bit numbers. Close enough to a
   * normal variable for noise, and exact arithmetic, so the same everywhere.
   */
  double nextBell() {
    long bits = nextLong();
    long sum = (bits & 0xffff) + (bits >>> 16 & 0xffff) + (bits >>> 32 & 0xffff) + (bits >>> 48);
    return (sum - 2.0 * 0xffff) * (1.7320508075688772 / 0x10000);
  }

  /** Moves a uniform random choice of {@code count} elements to the front of {@code values}. */
  void chooseFirst(long[] values, int count) {
    for (int i = 0; i < count; i++) {
      int j = i + nextInt(values.length - i);
      long swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
  }
}
