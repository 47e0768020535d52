package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * CIFAR-10 in its binary version: files {@code data_batch_1.bin} … {@code data_batch_5.bin} and
 * {@code test_batch.bin}, in a folder, in {@code cifar-10-batches-bin} below it, or in the archive
 * as downloaded. A record is a label and 32×32 red, green and blue bytes, one plane after the
 * other. (Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.)
 */
public final class Cifar10 {
  private static final ImageShape SHAPE = new ImageShape(32, 32, 3);
  private static final int PLANE = 32 * 32;
  private static final int RECORD = 1 + 3 * PLANE;
  private static final List<String> CLASSES =
      List.of(
          "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck");

  /** Which images. */
  public enum Part {
    /** The five data batches, those of them that are there, in order. */
    TRAIN("data_batch_[1-5]\\.bin"),
    /** The test batch. */
    TEST("test_batch\\.bin");

    private final String files;

    Part(String files) {
      this.files = "(cifar-10-batches-bin/)?" + files;
    }
  }

  private Cifar10() {}

  /**
   * Reads a part.
   *
   * @param place the folder or archive
   * @param part which images
   * @param limits what to accept
   * @return the data set; one byte a value
   * @throws DataException if no file is there, or one is no sequence of whole records with labels
   *     from 0 to 9
   */
  public static Dataset read(Path place, Part part, Limits limits) {
    Map<String, byte[]> files = new TreeMap<>();
    FileTree.open(place, limits)
        .forEach(
            path -> path.matches(part.files),
            (where, path, bytes) -> {
              if (files.put(path.substring(path.indexOf('/') + 1), checked(where, bytes)) != null) {
                throw new DataException(where, "every file once", "another of this name");
              }
            });
    if (files.isEmpty()) {
      String expected = part == Part.TEST ? "test_batch.bin" : "data_batch_1.bin to _5.bin";
      throw new DataException(place.toString(), expected, "no such file");
    }
    long count = files.values().stream().mapToLong(bytes -> bytes.length / RECORD).sum();
    long size = limits.imageBytes(place.toString(), count, 32, 32, 3, 1);
    MemorySegment pixels = Memory.allocate(place.toString(), size);
    MemorySegment labels = Memory.allocate(place.toString(), count * 4);
    long n = 0;
    for (byte[] bytes : files.values()) {
      for (int at = 0; at < bytes.length; at += RECORD) {
        labels.setAtIndex(ValueLayout.JAVA_INT, n, bytes[at]);
        for (int i = 0; i < 3 * PLANE; i++) {
          byte value = bytes[at + 1 + i % 3 * PLANE + i / 3];
          pixels.set(ValueLayout.JAVA_BYTE, n * 3 * PLANE + i, value);
        }
        n++;
      }
    }
    return StoredImages.ofBytes(place.toString(), SHAPE, CLASSES, pixels, labels);
  }

  private static byte[] checked(String where, byte[] bytes) {
    if (bytes.length == 0 || bytes.length % RECORD != 0) {
      throw new DataException(
          where, "whole records of " + RECORD + " bytes", bytes.length + " bytes");
    }
    for (int at = 0; at < bytes.length; at += RECORD) {
      if (bytes[at] < 0 || bytes[at] >= CLASSES.size()) {
        throw new DataException(
            where, "labels from 0 to 9", (bytes[at] & 0xff) + " in record " + at / RECORD);
      }
    }
    return bytes;
  }
}
