package io.nepenthe.data;

/**
 * What a reader accepts before it calls an input hostile. Every limit is checked before memory is
 * taken for what it limits, so a small file that claims or inflates to a huge one is refused early.
 *
 * @param totalBytes bytes of pixels, labels and archive contents in one data set
 * @param entryBytes bytes of one file in a folder or archive, of one image both encoded and
 *     decoded, and of one line of text
 * @param entries files in a folder or archive, images in a data set
 * @param imageSide height and width of an image, each
 * @param classes number of classes
 * @param inflation how many times its own size a compressed file may become; up to 64 MiB are
 *     always allowed
 */
public record Limits(
    long totalBytes, long entryBytes, long entries, int imageSide, int classes, int inflation) {
  /** Deflate cannot do better: two bits for a copy of 258 bytes. */
  private static final int DEFLATE_BEST = 1032;

  /**
   * 64 GiB a data set, 64 MiB an image file, 2³⁴ images, 8,192 pixels a side, 65,536 classes,
   * 250-fold.
   */
  public static final Limits DEFAULT =
      new Limits(64L << 30, 64L << 20, 1L << 34, 8192, 65_536, 250);

  /**
   * Checks the limits.
   *
   * @throws IllegalArgumentException if one is not positive, or {@code entryBytes} does not fit one
   *     Java array
   */
  public Limits {
    if (totalBytes < 1
        || entryBytes < 1
        || entries < 1
        || imageSide < 1
        || classes < 1
        || inflation < 1) {
      throw new IllegalArgumentException("limits must be positive");
    }
    if (entryBytes > 1 << 30) {
      throw new IllegalArgumentException("entryBytes must be at most 2^30: " + entryBytes);
    }
  }

  /**
   * These limits with another total.
   *
   * @param bytes the new {@link #totalBytes()}
   * @return the changed copy
   */
  public Limits withTotalBytes(long bytes) {
    return new Limits(bytes, entryBytes, entries, imageSide, classes, inflation);
  }

  /** How many bytes {@code compressed} ones may become. */
  long inflated(long compressed) {
    long possible = compressed * Math.min(inflation, DEFLATE_BEST);
    return Math.min(totalBytes, Math.max(possible, Math.min(64L << 20, compressed * DEFLATE_BEST)));
  }

  /** The bytes of {@code count} images, or a {@link DataException} if any limit is passed. */
  long imageBytes(
      String where, long count, long height, long width, long channels, long bytesEach) {
    if (count < 0 || count > entries) {
      throw new DataException(where, "0 to " + entries + " images", Long.toUnsignedString(count));
    }
    if (height < 1 || width < 1 || height > imageSide || width > imageSide) {
      throw new DataException(
          where, "images of 1 to " + imageSide + " pixels a side", height + "×" + width);
    }
    if (channels < 1 || channels > 1024) {
      throw new DataException(where, "1 to 1024 channels", Long.toString(channels));
    }
    long one = height * width * channels * bytesEach;
    if (count > 0 && one > totalBytes / count) {
      throw new DataException(
          where,
          "at most " + totalBytes + " bytes of pixels",
          count + " images of " + height + "×" + width + "×" + channels);
    }
    return one * count;
  }
}
