package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The arguments of a launch, as both drivers hand them on: one value in each slot of 8 bytes, and
 * an array of pointers to the slots. Reused from launch to launch.
 */
final class CudaArguments {
  private static final int MOST = 32;

  private final MemorySegment slots = Arena.global().allocate(MOST * Long.BYTES, Long.BYTES);
  private final MemorySegment pointers;
  private final StringBuilder signature = new StringBuilder();

  CudaArguments() {
    pointers = Arena.global().allocate(MOST * Long.BYTES, Long.BYTES);
    for (int i = 0; i < MOST; i++) {
      pointers.setAtIndex(ValueLayout.ADDRESS, i, slots.asSlice((long) i * Long.BYTES, Long.BYTES));
    }
  }

  /** Takes these values: Long for pointers and 64-bit sizes, Integer, Float, Double. */
  void set(Object... values) {
    signature.setLength(0);
    for (int i = 0; i < values.length; i++) {
      long at = (long) i * Long.BYTES;
      switch (values[i]) {
        case Long value -> {
          slots.set(ValueLayout.JAVA_LONG, at, value);
          signature.append('l');
        }
        case Integer value -> {
          slots.set(ValueLayout.JAVA_INT, at, value);
          signature.append('i');
        }
        case Float value -> {
          slots.set(ValueLayout.JAVA_FLOAT, at, value);
          signature.append('f');
        }
        case Double value -> {
          slots.set(ValueLayout.JAVA_DOUBLE, at, value);
          signature.append('d');
        }
        default -> throw new IllegalArgumentException("no kernel takes a " + values[i].getClass());
      }
    }
  }

  /** How many there are. */
  int count() {
    return signature.length();
  }

  /** A letter for each: l eight bytes, i four, f float, d double. */
  String signature() {
    return signature.toString();
  }

  /** The pointers to the values, as {@code cuLaunchKernel} takes them. */
  MemorySegment pointers() {
    return pointers;
  }

  /** The address of one value. */
  long address(int argument) {
    return slots.address() + (long) argument * Long.BYTES;
  }
}
