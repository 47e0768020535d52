package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Finds out what numbers mean as pixels, by looking at all of them: 0 … 1 as they are, or whole
 * numbers 0 … 255 for 0 … 1. Anything else is refused.
 */
final class Scale {
  private double least = Double.POSITIVE_INFINITY;
  private double most = Double.NEGATIVE_INFINITY;
  private boolean finite = true;
  private boolean whole = true;

  /** Takes note of a value. */
  void see(double value) {
    finite &= Double.isFinite(value);
    whole &= value == Math.rint(value);
    least = Math.min(least, value);
    most = Math.max(most, value);
  }

  /** Stores float values that were all seen: as bytes where they are whole numbers up to 255. */
  StoredImages store(
      String where,
      ImageShape shape,
      List<String> classes,
      MemorySegment values,
      MemorySegment labels) {
    if (!finite || least < 0 || most > 255 || most > 1 && !whole) {
      String found = finite ? "values from " + least + " to " + most : "a value that is not finite";
      throw new DataException(
          where, "pixels that are all from 0 to 1, or all whole numbers from 0 to 255", found);
    }
    if (most <= 1) {
      return StoredImages.ofFloats(where, shape, classes, values, labels);
    }
    long count = values.byteSize() / 4;
    MemorySegment bytes = Memory.allocate(where, count);
    for (long i = 0; i < count; i++) {
      bytes.set(
          ValueLayout.JAVA_BYTE, i, (byte) (int) values.getAtIndex(ValueLayout.JAVA_FLOAT, i));
    }
    return StoredImages.ofBytes(where, shape, classes, bytes, labels);
  }
}
