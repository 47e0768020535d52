package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/** What every operation checks before it runs, so that no native call can fail or stray. */
final class Checks {
  private Checks() {}

  static void shape(String name, Tensor tensor, Shape expected) {
    if (!tensor.shape().equals(expected)) {
      throw new IllegalArgumentException(
          name + " must have shape " + expected + ", found " + tensor.shape());
    }
  }

  /** The output may share no byte with the other argument. */
  static void disjoint(String name, Tensor output, String otherName, Tensor other) {
    if (output.overlaps(other)) {
      throw new IllegalArgumentException(name + " overlaps " + otherName);
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
}
