package io.nepenthe.detect;

import io.nepenthe.kernel.Philox;

/** A stream of random numbers, each a function of seed, stream and place. */
final class Draws {
  private final long seed;
  private final long stream;
  private long next;

  Draws(long seed, long stream) {
    this.seed = seed;
    this.stream = stream;
  }

  double uniform(double low, double high) {
    return low + (high - low) * Philox.uniform(seed, stream, next++);
  }

  int below(int bound) {
    return (int) Math.min(bound - 1, uniform(0, bound));
  }
}
