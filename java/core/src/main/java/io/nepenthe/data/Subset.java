package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Some images of a data set, in an order of their own; a view that copies no pixels. */
public final class Subset implements Dataset {
  private final Dataset base;
  private final MemorySegment positions;
  private final long first;
  private final long size;

  private Subset(Dataset base, MemorySegment positions, long first, long size) {
    this.base = base;
    this.positions = positions;
    this.first = first;
    this.size = size;
  }

  /** The images at {@code positions} (int64), which must be within the base. */
  static Subset at(Dataset base, MemorySegment positions) {
    return new Subset(base, positions, 0, positions.byteSize() / 8);
  }

  /**
   * The images at some positions, in that order.
   *
   * @param base where they are
   * @param positions indices into {@code base}, none twice; copied
   * @return the view
   * @throws IndexOutOfBoundsException if a position is not within the base
   * @throws IllegalArgumentException if a position occurs twice
   */
  public static Subset of(Dataset base, long[] positions) {
    long[] sorted = positions.clone();
    Arrays.sort(sorted);
    for (int i = 0; i < sorted.length; i++) {
      Objects.checkIndex(sorted[i], base.size());
      if (i > 0 && sorted[i] == sorted[i - 1]) {
        throw new IllegalArgumentException("position " + sorted[i] + " occurs twice");
      }
    }
    return at(base, MemorySegment.ofArray(positions.clone()));
  }

  /**
   * The images at positions of which some may occur twice, as in draws with replacement: for passes
   * over them, since ids then name several.
   *
   * @param base where they are
   * @param positions indices into {@code base}; copied
   * @return the view
   * @throws IndexOutOfBoundsException if a position is not within the base
   */
  public static Subset drawn(Dataset base, long[] positions) {
    for (long position : positions) {
      Objects.checkIndex(position, base.size());
    }
    return at(base, MemorySegment.ofArray(positions.clone()));
  }

  /**
   * The images from one position to another.
   *
   * @param base where they are
   * @param first the first position
   * @param last the last position, itself included
   * @return the view
   * @throws IndexOutOfBoundsException if the range is empty or not within the base
   */
  public static Subset range(Dataset base, long first, long last) {
    Objects.checkIndex(first, base.size());
    Objects.checkIndex(last, base.size());
    Objects.checkIndex(first, last + 1);
    return new Subset(base, MemorySegment.NULL, first, last - first + 1);
  }

  /**
   * The images with some ids, in the order of the ids.
   *
   * @param base where they are
   * @param ids none twice
   * @return the view
   * @throws DataException if an id is unknown or occurs twice
   */
  public static Subset ofIds(Dataset base, long[] ids) {
    return ofIds(base, ids, base.name());
  }

  /**
   * The samples whose ids a file lists, in its order.
   *
   * @param base the data set
   * @param list read by {@link IdList}
   * @return the view
   * @throws DataException that names the file, if it cannot be read, lists no id, an unknown one,
   *     or one twice
   */
  public static Subset ofIds(Dataset base, Path list) {
    long[] ids = IdList.read(list, base.size());
    if (ids.length == 0) {
      throw new DataException(list.toString(), "at least one id", "none");
    }
    return ofIds(base, ids, list.toString());
  }

  private static Subset ofIds(Dataset base, long[] ids, String source) {
    Map<Long, Integer> wanted = HashMap.newHashMap(ids.length);
    for (int i = 0; i < ids.length; i++) {
      if (wanted.put(ids[i], i) != null) {
        throw new DataException(source, "every id once", "id " + ids[i] + " twice");
      }
    }
    long[] positions = new long[ids.length];
    int found = 0;
    for (long index = 0; index < base.size() && found < ids.length; index++) {
      Integer place = wanted.remove(base.id(index));
      if (place != null) {
        positions[place] = index;
        found++;
      }
    }
    if (found < ids.length) {
      throw new DataException(
          source,
          "ids of the " + base.size() + " images of " + base.name(),
          "unknown id " + wanted.keySet().stream().min(Long::compare).orElseThrow());
    }
    return at(base, MemorySegment.ofArray(positions));
  }

  /** The base's name. */
  @Override
  public String name() {
    return base.name();
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public ImageShape image() {
    return base.image();
  }

  @Override
  public int classes() {
    return base.classes();
  }

  @Override
  public List<String> classNames() {
    return base.classNames();
  }

  @Override
  public int label(long index) {
    return base.label(position(index));
  }

  @Override
  public long id(long index) {
    return base.id(position(index));
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    base.pixels(position(index), out, floatOffset);
  }

  @Override
  public boolean bytes(long index, MemorySegment out, long offset) {
    return base.bytes(position(index), out, offset);
  }

  private long position(long index) {
    Objects.checkIndex(index, size);
    return positions.byteSize() == 0
        ? first + index
        : positions.getAtIndex(ValueLayout.JAVA_LONG, index);
  }
}
