package io.nepenthe.data;

/**
 * The extent of one image, stored channels last: H·W·C values, row by row.
 *
 * @param height rows
 * @param width columns
 * @param channels values a pixel: 1 for grey, 3 for red, green and blue
 */
public record ImageShape(int height, int width, int channels) {
  /**
   * Checks the extent.
   *
   * @throws IllegalArgumentException if a side is not positive
   */
  public ImageShape {
    if (height < 1 || width < 1 || channels < 1) {
      throw new IllegalArgumentException(
          "image sides must be positive: " + height + "×" + width + "×" + channels);
    }
  }

  /**
   * The number of values in one image.
   *
   * @return H·W·C
   * @throws ArithmeticException if that is beyond 64 bits
   */
  public long floats() {
    return Math.multiplyExact((long) height * width, (long) channels);
  }

  /**
   * The shape given to a plain row of numbers: a grey square where the count is a square, a
   * red-green-blue square where it is three times one, else one row of {@code count} values.
   */
  static ImageShape ofRow(int count) {
    int side = (int) Math.round(Math.sqrt(count));
    if (side > 1 && (long) side * side == count) {
      return new ImageShape(side, side, 1);
    }
    side = (int) Math.round(Math.sqrt(count / 3.0));
    if (side > 1 && 3L * side * side == count) {
      return new ImageShape(side, side, 3);
    }
    return new ImageShape(1, count, 1);
  }

  /** {@code H×W×C}. */
  @Override
  public String toString() {
    return height + "×" + width + "×" + channels;
  }
}
