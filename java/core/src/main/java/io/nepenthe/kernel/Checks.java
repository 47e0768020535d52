package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** What every operation checks before it runs, so that no native call can fail or stray. */
final class Checks {
  private Checks() {}

  static void shape(String name, Tensor tensor, Shape expected) {
    if (!tensor.shape().equals(expected)) {
      throw new IllegalArgumentException(
          name + " must have shape " + expected + ", found " + tensor.shape());
    }
  }

  static void shape(String name, Tensor tensor, long first) {
    if (!tensor.shape().is(first)) {
      shape(name, tensor, Shape.of(first));
    }
  }

  static void shape(String name, Tensor tensor, long first, long second) {
    if (!tensor.shape().is(first, second)) {
      shape(name, tensor, Shape.of(first, second));
    }
  }

  static void shape(String name, Tensor tensor, long first, long second, long third) {
    if (!tensor.shape().is(first, second, third)) {
      shape(name, tensor, Shape.of(first, second, third));
    }
  }

  static void shape(String name, Tensor tensor, long first, long second, long third, long fourth) {
    if (!tensor.shape().is(first, second, third, fourth)) {
      shape(name, tensor, Shape.of(first, second, third, fourth));
    }
  }

  /** The output may share no byte with the other argument. */
  static void disjoint(String name, Tensor output, String otherName, Tensor other) {
    if (output.overlaps(other)) {
      throw new IllegalArgumentException(name + " overlaps " + otherName);
    }
  }

  /** The mask's bits may share no byte with the tensor. */
  static void disjoint(String name, MemorySegment bits, String otherName, Tensor other) {
    alive(name, bits);
    other.address(); // throws if the memory was closed
    if (other.onHost()
        && bits.byteSize() > 0
        && other.elements() > 0
        && bits.asOverlappingSlice(other.segment()).isPresent()) {
      throw new IllegalArgumentException(name + " overlaps " + otherName);
    }
  }

  private static void alive(String name, MemorySegment segment) {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the memory of " + name + " was closed");
    }
  }

  static void elements(String name, Mask.Part mask, Tensor tensor) {
    if (mask.elements() != tensor.elements()) {
      throw new IllegalArgumentException(
          name + " must have " + tensor.elements() + " bits, found " + mask.elements());
    }
  }

  static void finite(String name, float value) {
    if (!Float.isFinite(value)) {
      throw new IllegalArgumentException(name + " must be finite, found " + value);
    }
  }

  static void finiteNotNegative(String name, float value) {
    if (!(value >= 0 && value < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(name + " must be finite and not negative, found " + value);
    }
  }

  static void positive(String name, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " must be positive, found " + value);
    }
  }

  /** The state that an operation adds to may share no byte with an argument that it reads. */
  static void untouched(DriftFreeSum state, String name, Tensor read) {
    disjoint("the sum", state.sum(), name, read);
    disjoint("the rest", state.rest(), name, read);
  }

  /** The same for memory that is no tensor. */
  static void untouched(DriftFreeSum state, String name, MemorySegment read) {
    if (state.sum().onHost()
        && (overlap(state.sum().segment(), read) || overlap(state.rest().segment(), read))) {
      throw new IllegalArgumentException("the sum overlaps " + name);
    }
  }

  private static boolean overlap(MemorySegment a, MemorySegment b) {
    return a.address() < b.address() + b.byteSize() && b.address() < a.address() + a.byteSize();
  }

  /** A size that the dense libraries can take: they count in 32 bits. */
  static void size(String name, long value) {
    if (value < 1 || value > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          name + " must be in 1…" + Integer.MAX_VALUE + ", found " + value);
    }
  }

  /** The output may be the other argument itself, but may not overlap it otherwise. */
  static void sameOrDisjoint(String name, Tensor output, String otherName, Tensor other) {
    boolean same = output.address() == other.address();
    if (!same) {
      disjoint(name, output, otherName, other);
    }
  }

  static void finitePositive(String name, float value) {
    if (!(value > 0 && value < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(name + " must be finite and positive, found " + value);
    }
  }
}
