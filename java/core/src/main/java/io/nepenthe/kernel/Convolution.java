package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;

/**
 * The window of a two-dimensional convolution over channels-last images. Padding is with zeros and
 * may differ on every side. With {@code groups} γ, output channels come in γ equal runs, each
 * reading its own run of input channels.
 *
 * @param kernelHeight rows of the window
 * @param kernelWidth columns of the window
 * @param strideHeight rows from one output to the next
 * @param strideWidth columns from one output to the next
 * @param padTop rows of zeros above the image
 * @param padLeft columns of zeros left of it
 * @param padBottom rows of zeros below it
 * @param padRight columns of zeros right of it
 * @param dilationHeight rows from one tap of the window to the next
 * @param dilationWidth columns from one tap to the next
 * @param groups how many runs of channels do not mix
 */
public record Convolution(
    long kernelHeight,
    long kernelWidth,
    long strideHeight,
    long strideWidth,
    long padTop,
    long padLeft,
    long padBottom,
    long padRight,
    long dilationHeight,
    long dilationWidth,
    long groups) {
  // Far beyond any layer, and small enough that no product of two overflows.
  private static final long LIMIT = 1L << 20;

  /**
   * Checks the window.
   *
   * @throws IllegalArgumentException if a padding is negative, another number not positive, or one
   *     passes 2^20
   */
  public Convolution {
    between("kernelHeight", kernelHeight, 1);
    between("kernelWidth", kernelWidth, 1);
    between("strideHeight", strideHeight, 1);
    between("strideWidth", strideWidth, 1);
    between("padTop", padTop, 0);
    between("padLeft", padLeft, 0);
    between("padBottom", padBottom, 0);
    between("padRight", padRight, 0);
    between("dilationHeight", dilationHeight, 1);
    between("dilationWidth", dilationWidth, 1);
    between("groups", groups, 1);
  }

  /** A square window with stride 1 and the same padding on every side. */
  public static Convolution square(long kernel, long padding) {
    return new Convolution(kernel, kernel, 1, 1, padding, padding, padding, padding, 1, 1, 1);
  }

  /** The same window with this stride in both directions. */
  public Convolution withStride(long stride) {
    return new Convolution(
        kernelHeight,
        kernelWidth,
        stride,
        stride,
        padTop,
        padLeft,
        padBottom,
        padRight,
        dilationHeight,
        dilationWidth,
        groups);
  }

  /** The same window with this dilation in both directions. */
  public Convolution withDilation(long dilation) {
    return new Convolution(
        kernelHeight,
        kernelWidth,
        strideHeight,
        strideWidth,
        padTop,
        padLeft,
        padBottom,
        padRight,
        dilation,
        dilation,
        groups);
  }

  /** The same window with this many groups. */
  public Convolution withGroups(long count) {
    return new Convolution(
        kernelHeight,
        kernelWidth,
        strideHeight,
        strideWidth,
        padTop,
        padLeft,
        padBottom,
        padRight,
        dilationHeight,
        dilationWidth,
        count);
  }

  /**
   * The rows of the output for images of {@code height} rows.
   *
   * @throws IllegalArgumentException if the window is taller than the padded image
   */
  public long outputHeight(long height) {
    return output("height", height, kernelHeight, strideHeight, padTop + padBottom, dilationHeight);
  }

  /**
   * The columns of the output for images of {@code width} columns.
   *
   * @throws IllegalArgumentException if the window is wider than the padded image
   */
  public long outputWidth(long width) {
    return output("width", width, kernelWidth, strideWidth, padLeft + padRight, dilationWidth);
  }

  /**
   * The shape of the weights, [outputs, kernelHeight, kernelWidth, inputs / groups].
   *
   * @throws IllegalArgumentException if the groups do not divide both
   */
  public Shape weights(long inputs, long outputs) {
    if (inputs % groups != 0 || outputs % groups != 0) {
      throw new IllegalArgumentException(
          groups
              + " groups do not divide "
              + inputs
              + " input and "
              + outputs
              + " output channels");
    }
    return Shape.of(outputs, kernelHeight, kernelWidth, inputs / groups);
  }

  private static long output(
      String name, long size, long kernel, long stride, long padding, long dilation) {
    long window = dilation * (kernel - 1) + 1;
    if (window > size + padding) {
      throw new IllegalArgumentException(
          "the window covers "
              + window
              + ", the padded image's "
              + name
              + " is "
              + (size + padding));
    }
    return (size + padding - window) / stride + 1;
  }

  private static void between(String name, long value, long least) {
    if (value < least || value > LIMIT) {
      throw new IllegalArgumentException(
          name + " must be in " + least + "…" + LIMIT + ", found " + value);
    }
  }
}
