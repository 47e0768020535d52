package io.nepenthe.curvature;

/**
 * How samples in order are cut for sums: into contiguous chunks whose sizes differ by one at most.
 * Each chunk is summed on its own and the chunks' sums are added in order, so that a sum is the
 * same to the last bit whichever process computed which chunk. The cut depends on the number of
 * samples alone: a chunk for every {@value #LEAST} of them, up to {@value #MOST}.
 *
 * @param samples how many are cut
 */
record Chunks(long samples) {
  private static final int LEAST = 64;
  private static final int MOST = 16;

  static Chunks of(long samples) {
    return new Chunks(samples);
  }

  int count() {
    return Math.clamp(Math.ceilDiv(samples, LEAST), 1, MOST);
  }

  /** The first sample of a chunk, counted from 0. */
  long first(int chunk) {
    return chunk * (samples / count()) + Math.min(chunk, samples % count());
  }

  /** One past its last. */
  long end(int chunk) {
    return first(chunk + 1);
  }

  /** The first chunk of a partition, counted from 0, of so many. */
  int firstOf(int partition, int partitions) {
    return (int) ((long) partition * count() / partitions);
  }
}
