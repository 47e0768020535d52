package io.nepenthe.kernel;

/**
 * The one order in which elementwise operations sum (native/src/reduce.h does the same): chunks of
 * 4,096 elements, each summed in 64 float lanes folded 64→32→…→1; chunk sums added in double, in
 * order, within 64 fixed contiguous groups; group sums added in order.
 */
final class Reduction {
  static final int CHUNK = 4096;
  static final int LANES = 64;
  static final int GROUPS = 64;

  private final float[] lanes = new float[LANES];
  private double group;
  private double total;
  private long index;
  private final long size;
  private int groupIndex;

  /** A sum of exactly {@code size} values. */
  Reduction(long size) {
    this.size = size;
  }

  /** The next value, in index order. */
  void add(float value) {
    lanes[(int) (index % LANES)] += value;
    index++;
    if (index % CHUNK == 0 || index == size) {
      group += fold();
      closeGroups((index + CHUNK - 1) / CHUNK);
    }
  }

  double total() {
    if (index != size) {
      throw new IllegalStateException(index + " of " + size + " values were added");
    }
    return total;
  }

  private double fold() {
    for (int half = LANES / 2; half > 0; half /= 2) {
      for (int lane = 0; lane < half; lane++) {
        lanes[lane] += lanes[lane + half];
      }
    }
    float sum = lanes[0];
    java.util.Arrays.fill(lanes, 0);
    return sum;
  }

  private void closeGroups(long chunksDone) {
    long chunks = (size + CHUNK - 1) / CHUNK;
    while (groupIndex < GROUPS && chunks * (groupIndex + 1) / GROUPS <= chunksDone) {
      total += group;
      group = 0;
      groupIndex++;
    }
  }
}
