package io.nepenthe.data;

/** How many samples to take: a number of them, or a share. */
public sealed interface Amount {
  /**
   * A number of samples.
   *
   * @param samples not negative
   */
  record Count(long samples) implements Amount {
    /**
     * Checks the number.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public Count {
      if (samples < 0) {
        throw new IllegalArgumentException("a count must not be negative: " + samples);
      }
    }
  }

  /**
   * A share of the whole data set, rounded to the nearest number of samples.
   *
   * @param share from 0 to 1
   */
  record Fraction(double share) implements Amount {
    /**
     * Checks the share.
     *
     * @throws IllegalArgumentException if it is not from 0 to 1
     */
    public Fraction {
      if (!(share >= 0 && share <= 1)) {
        throw new IllegalArgumentException("a fraction must be from 0 to 1: " + share);
      }
    }
  }

  /**
   * A number of samples.
   *
   * @param samples not negative
   * @return the amount
   */
  static Amount count(long samples) {
    return new Count(samples);
  }

  /**
   * A share of the whole data set.
   *
   * @param share from 0 to 1
   * @return the amount
   */
  static Amount fraction(double share) {
    return new Fraction(share);
  }

  /** The number of samples in a data set of {@code size}. */
  default long of(long size) {
    return switch (this) {
      case Count count -> count.samples();
      case Fraction fraction -> Math.round(fraction.share() * size);
    };
  }
}
