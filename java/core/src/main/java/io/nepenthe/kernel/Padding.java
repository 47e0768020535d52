package io.nepenthe.kernel;

import java.util.Locale;

/**
 * Positions that are added around an image, and what they hold.
 *
 * @param top rows above
 * @param left columns before
 * @param bottom rows below
 * @param right columns after
 * @param mode what the added positions hold
 * @param value which, for {@link Mode#CONSTANT}; else 0
 */
public record Padding(int top, int left, int bottom, int right, Mode mode, float value) {
  /** What an added position holds, for a side a b c d. */
  public enum Mode {
    /** v v | a b c d | v v. */
    CONSTANT,
    /** c b | a b c d | c b: mirrored at the outermost position, which is not repeated. */
    REFLECT,
    /** a a | a b c d | d d: the nearest position. */
    REPLICATE,
    /** c d | a b c d | a b: the other end. */
    CIRCULAR
  }

  /**
   * Checks the padding.
   *
   * @throws IllegalArgumentException if a side is negative, the value is not finite, or a value is
   *     given that the mode does not use
   */
  public Padding {
    for (int side : new int[] {top, left, bottom, right}) {
      if (side < 0) {
        throw new IllegalArgumentException("padding must not be negative, found " + side);
      }
    }
    if (!Float.isFinite(value) || mode != Mode.CONSTANT && value != 0) {
      throw new IllegalArgumentException(
          mode.name().toLowerCase(Locale.ROOT) + " padding does not take the value " + value);
    }
  }

  /** The same number of positions on all sides; constants are zeros. */
  public static Padding of(int all, Mode mode) {
    return new Padding(all, all, all, all, mode, 0);
  }

  /**
   * The height of a padded image of this height.
   *
   * @throws IllegalArgumentException if the image is too small for the mode: a reflection takes
   *     less positions than there are, a circular padding no more
   */
  public long outputHeight(long height) {
    return output("height", height, top, bottom);
  }

  /** The width, likewise. */
  public long outputWidth(long width) {
    return output("width", width, left, right);
  }

  private long output(String what, long size, long before, long after) {
    long most = Math.max(before, after);
    long least =
        switch (mode) {
          case CONSTANT, REPLICATE -> 1;
          case REFLECT -> most + 1;
          case CIRCULAR -> Math.max(most, 1);
        };
    if (size < least) {
      throw new IllegalArgumentException(
          mode.name().toLowerCase(Locale.ROOT)
              + " padding of "
              + most
              + " positions needs a "
              + what
              + " of at least "
              + least
              + ", found "
              + size);
    }
    return before + size + after;
  }
}
