package io.nepenthe.nn;

import io.nepenthe.tensor.Shape;

/**
 * The size of one sample at some place in a network: an image of height · width · channels, or a
 * vector, which has height and width 0.
 */
public record Extent(long height, long width, long channels) {
  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if a size is not positive, but for a vector's height and width
   */
  public Extent {
    boolean vector = height == 0 && width == 0;
    if (channels < 1 || !vector && (height < 1 || width < 1)) {
      throw new IllegalArgumentException(
          "sizes must be positive, found " + height + "×" + width + "×" + channels);
    }
  }

  /** An image. */
  public static Extent image(long height, long width, long channels) {
    return new Extent(height, width, channels);
  }

  /** A vector of this many features. */
  public static Extent vector(long features) {
    return new Extent(0, 0, features);
  }

  /** Whether this is a vector. */
  public boolean isVector() {
    return height == 0;
  }

  /** The number of values. */
  public long elements() {
    return isVector() ? channels : height * width * channels;
  }

  /** The shape of a batch of such samples: N·H·W·C, or N·C for vectors. */
  public Shape batch(long samples) {
    return isVector() ? Shape.of(samples, channels) : Shape.of(samples, height, width, channels);
  }

  /** For instance {@code 32×32×3}, or {@code 10}. */
  @Override
  public String toString() {
    return isVector() ? Long.toString(channels) : height + "×" + width + "×" + channels;
  }
}
