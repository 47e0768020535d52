package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/** Views made of data sets; none of them copies pixels. */
public final class Datasets {
  private Datasets() {}

  /**
   * Two parts of one data set.
   *
   * @param first the part that was asked for
   * @param second the rest
   */
  public record Split(Dataset first, Dataset second) {}

  /**
   * A data set less some of its images, the others in their order: D_r = D \ S_f.
   *
   * @param dataset D
   * @param ids the ids of S_f, in any order, none twice
   * @return D_r
   * @throws DataException if an id is unknown or occurs twice
   */
  public static Dataset without(Dataset dataset, long[] ids) {
    Set<Long> unwanted = HashSet.newHashSet(ids.length);
    for (long id : ids) {
      if (!unwanted.add(id)) {
        throw new DataException(dataset.name(), "every id once", "id " + id + " twice");
      }
    }
    MemorySegment kept = Memory.allocate(dataset.name(), dataset.size() * 8);
    long count = 0;
    for (long i = 0; i < dataset.size(); i++) {
      if (!unwanted.remove(dataset.id(i))) {
        kept.setAtIndex(ValueLayout.JAVA_LONG, count++, i);
      }
    }
    if (!unwanted.isEmpty()) {
      throw new DataException(
          dataset.name(),
          "the ids of its " + dataset.size() + " images",
          "unknown id " + unwanted.stream().min(Long::compare).orElseThrow());
    }
    return Subset.at(dataset, kept.asSlice(0, count * 8));
  }

  /**
   * The images of one class, or of several.
   *
   * @param dataset where they are
   * @param labels the classes wanted
   * @return the view, in the data set's order
   */
  public static Dataset ofClasses(Dataset dataset, int... labels) {
    int[] wanted = labels.clone();
    Arrays.sort(wanted);
    MemorySegment kept = Memory.allocate(dataset.name(), dataset.size() * 8);
    long count = 0;
    for (long i = 0; i < dataset.size(); i++) {
      if (Arrays.binarySearch(wanted, dataset.label(i)) >= 0) {
        kept.setAtIndex(ValueLayout.JAVA_LONG, count++, i);
      }
    }
    return Subset.at(dataset, kept.asSlice(0, count * 8));
  }

  /**
   * Data sets one after the other. Ids of the first part stay; those of each later part are moved
   * up by one more than the largest id before, so that they stay unique.
   *
   * @param name what to call the whole
   * @param parts at least one, of one image shape and the same classes
   * @return the view
   * @throws DataException if shapes or classes differ
   * @throws IllegalArgumentException if there is no part
   */
  public static Dataset concatenate(String name, List<? extends Dataset> parts) {
    if (parts.isEmpty()) {
      throw new IllegalArgumentException("nothing to concatenate");
    }
    return new Concatenation(name, parts);
  }

  /**
   * All images, in an order drawn uniformly from all orders by the seed.
   *
   * @param dataset what to shuffle
   * @param seed any number
   * @return the view
   */
  public static Dataset shuffled(Dataset dataset, long seed) {
    return Subset.at(
        dataset,
        Memory.permutation(dataset.name(), dataset.size(), new Random64(seed, Random64.SHUFFLE)));
  }

  /**
   * A random part and the rest, both in the data set's order.
   *
   * @param dataset what to split
   * @param fraction the share of the first part, from 0 to 1; its size is rounded to the nearest
   * @param seed any number
   * @return both parts
   * @throws IllegalArgumentException if the fraction is not from 0 to 1
   */
  public static Split split(Dataset dataset, double fraction, long seed) {
    if (!(fraction >= 0 && fraction <= 1)) {
      throw new IllegalArgumentException("fraction must be from 0 to 1: " + fraction);
    }
    long size = dataset.size();
    long first = Math.round(fraction * size);
    // Selection sampling (Knuth, 3.4.2, algorithm S): each image once, in order, no sorting.
    MemorySegment chosen = Memory.allocate(dataset.name(), first * 8);
    MemorySegment rest = Memory.allocate(dataset.name(), (size - first) * 8);
    Random64 random = new Random64(seed, Random64.SPLIT);
    long taken = 0;
    for (long i = 0; i < size; i++) {
      if (first > taken && random.nextLong(size - i) < first - taken) {
        chosen.setAtIndex(ValueLayout.JAVA_LONG, taken++, i);
      } else {
        rest.setAtIndex(ValueLayout.JAVA_LONG, i - taken, i);
      }
    }
    return new Split(Subset.at(dataset, chosen), Subset.at(dataset, rest));
  }

  /**
   * What tells a data set from every other: the SHA-256, in hexadecimal digits, of its image shape,
   * classes and size as text and a line feed, and then of each image in turn its id (eight bytes,
   * the highest first), label (four) and pixels (float32, channels last, native order).
   *
   * @param dataset is read from front to back
   * @return 64 digits
   */
  public static String sha256(Dataset dataset) {
    MessageDigest digest = sha256();
    String text = dataset.image() + " " + dataset.classes() + " " + dataset.size() + "\n";
    digest.update(text.getBytes(StandardCharsets.UTF_8));
    MemorySegment pixels = Memory.allocate(dataset.name(), dataset.image().floats() * Float.BYTES);
    ByteBuffer head = ByteBuffer.allocate(Long.BYTES + Integer.BYTES);
    for (long i = 0; i < dataset.size(); i++) {
      digest.update(head.clear().putLong(dataset.id(i)).putInt(dataset.label(i)).flip());
      dataset.pixels(i, pixels, 0);
      digest.update(pixels.asByteBuffer());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /**
   * Every id of a data set, in its order.
   *
   * @param dataset of fewer than 2³¹ images
   * @return the ids
   */
  public static long[] ids(Dataset dataset) {
    long[] ids = new long[Math.toIntExact(dataset.size())];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = dataset.id(i);
    }
    return ids;
  }
}
