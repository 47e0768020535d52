package io.nepenthe.data;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Off-heap storage for data sets, which live as long as something refers to them. */
final class Memory {
  private Memory() {}

  /**
   * Zeroed bytes, aligned for every element type; refused in words when the machine has too few.
   */
  static MemorySegment allocate(String where, long bytes) {
    try {
      return Arena.ofAuto().allocate(Math.max(bytes, 1), 64).asSlice(0, bytes);
    } catch (OutOfMemoryError e) {
      throw new DataException(
          where,
          "enough memory for " + bytes + " bytes",
          "none left (-XX:MaxDirectMemorySize sets the limit)",
          e);
    }
  }

  /** The numbers 0 … n−1 in a random order, as int64; Fisher and Yates. */
  static MemorySegment permutation(String where, long n, Random64 random) {
    MemorySegment order = allocate(where, Math.multiplyExact(n, 8L));
    for (long i = 0; i < n; i++) {
      long j = random.nextLong(i + 1);
      order.setAtIndex(ValueLayout.JAVA_LONG, i, order.getAtIndex(ValueLayout.JAVA_LONG, j));
      order.setAtIndex(ValueLayout.JAVA_LONG, j, i);
    }
    return order;
  }
}
