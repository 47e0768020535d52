package io.nepenthe.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The sizes of a tensor, slowest-varying dimension first (row-major). A shape without dimensions is
 * a scalar; a dimension of 0 makes an empty tensor. Sizes are 64-bit.
 */
public final class Shape {
  /** The most dimensions a shape may have. */
  public static final int MAX_RANK = 8;

  private final long[] sizes;
  private final long elements;

  private Shape(long[] sizes) {
    if (sizes.length > MAX_RANK) {
      throw new IllegalArgumentException(
          "shape has " + sizes.length + " dimensions; at most " + MAX_RANK + " are supported");
    }
    long product = 1;
    for (long size : sizes) {
      if (size < 0) {
        throw new IllegalArgumentException("shape " + text(sizes) + " has a negative size");
      }
      // An element takes 4 bytes, and a segment's byte size is a long.
      if (size > 0 && product > (Long.MAX_VALUE / Float.BYTES) / size) {
        throw new IllegalArgumentException("shape " + text(sizes) + " has more than 2^61 elements");
      }
      product *= size;
    }
    this.sizes = sizes;
    this.elements = product;
  }

  /**
   * A shape of these sizes.
   *
   * @throws IllegalArgumentException if a size is negative, there are more than {@value #MAX_RANK}
   *     of them, or their product passes 2^61
   */
  public static Shape of(long... sizes) {
    return new Shape(sizes.clone());
  }

  /** Whether it has this size; like the ones below it allocates nothing, as a comparison would. */
  public boolean is(long first) {
    return sizes.length == 1 && sizes[0] == first;
  }

  /** Whether it has these sizes. */
  public boolean is(long first, long second) {
    return sizes.length == 2 && sizes[0] == first && sizes[1] == second;
  }

  /** Whether it has these sizes. */
  public boolean is(long first, long second, long third) {
    return sizes.length == 3 && sizes[0] == first && sizes[1] == second && sizes[2] == third;
  }

  /** Whether it has these sizes. */
  public boolean is(long first, long second, long third, long fourth) {
    return sizes.length == 4
        && sizes[0] == first
        && sizes[1] == second
        && sizes[2] == third
        && sizes[3] == fourth;
  }

  /** The number of dimensions. */
  public int rank() {
    return sizes.length;
  }

  /** The size of dimension {@code axis}, 0 being the slowest-varying. */
  public long size(int axis) {
    return sizes[axis];
  }

  /** The product of all sizes: 1 for a scalar. */
  public long elements() {
    return elements;
  }

  /** The bytes that this many float32 values take. */
  public long bytes() {
    return elements * Float.BYTES;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(sizes, shape.sizes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(sizes);
  }

  /** For instance {@code [64, 3, 3, 16]}. */
  @Override
  public String toString() {
    return text(sizes);
  }

  private static String text(long[] sizes) {
    return Arrays.stream(sizes)
        .mapToObj(Long::toString)
        .collect(Collectors.joining(", ", "[", "]"));
  }
}
