package io.nepenthe.data;

import io.nepenthe.tensor.Shape;
import java.util.Arrays;
import java.util.Optional;

/** The types of values that are read and written, under the format's names. */
public enum SafetensorsType {
  /** float32: statistics, scores, masks. */
  F32(Float.BYTES),
  /** float64: sums that are still to be added to others. */
  F64(Double.BYTES),
  /** int64: counts. */
  I64(Long.BYTES);

  private final int size;

  SafetensorsType(int size) {
    this.size = size;
  }

  static Optional<SafetensorsType> of(String name) {
    return Arrays.stream(values()).filter(type -> type.name().equals(name)).findFirst();
  }

  /**
   * The bytes that a tensor takes.
   *
   * @throws IllegalArgumentException if they are more than 2⁶³ − 1
   */
  public long bytes(Shape shape) {
    if (shape.elements() > Long.MAX_VALUE / size) {
      throw new IllegalArgumentException("shape " + shape + " has more than 2^63 bytes");
    }
    return shape.elements() * size;
  }
}
