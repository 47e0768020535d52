package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * What the images of a data set look like, to find them in another one whatever their ids and
 * labels are there: of each the first 64 bits of the SHA-256 of its pixels, as {@link
 * Dataset#pixels} writes them. Two different images have the same with a chance of 2⁻⁶⁴.
 */
public final class Contents {
  private final long[] digests;

  private Contents(long... sorted) {
    digests = sorted;
  }

  /**
   * Reads a data set.
   *
   * @param dataset of fewer than 2³¹ images; is read from front to back
   * @return 8 bytes an image, on the Java heap
   */
  public static Contents of(Dataset dataset) {
    MessageDigest digest = Datasets.sha256();
    MemorySegment pixels = Memory.allocate(dataset.name(), dataset.image().floats() * Float.BYTES);
    long[] digests = new long[Math.toIntExact(dataset.size())];
    for (int i = 0; i < digests.length; i++) {
      dataset.pixels(i, pixels, 0);
      digest.update(pixels.asByteBuffer());
      digests[i] = ByteBuffer.wrap(digest.digest()).getLong();
    }
    Arrays.sort(digests);
    return new Contents(digests);
  }

  /** How many of these images are among the others too, pixel for pixel. */
  public long in(Contents others) {
    return LongStream.of(digests)
        .filter(image -> Arrays.binarySearch(others.digests, image) >= 0)
        .count();
  }
}
