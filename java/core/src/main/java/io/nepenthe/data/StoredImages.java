package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/** Images in memory, as the bytes (0…255 for 0…1) or floats of their source. */
final class StoredImages implements Dataset {
  private final String name;
  private final ImageShape image;
  private final List<String> classNames;
  private final MemorySegment store;
  private final boolean bytes;
  private final MemorySegment labels;
  private final MemorySegment ids;

  private StoredImages(
      String name,
      ImageShape image,
      List<String> classNames,
      MemorySegment store,
      boolean bytes,
      MemorySegment labels,
      MemorySegment ids) {
    this.name = name;
    this.image = image;
    this.classNames = List.copyOf(classNames);
    this.store = store;
    this.bytes = bytes;
    this.labels = labels;
    this.ids = ids;
    long each = image.floats() * (bytes ? 1 : 4);
    if (store.byteSize() != size() * each) {
      throw new IllegalArgumentException(
          store.byteSize() + " bytes are not " + size() + " images of " + image);
    }
    if (ids.byteSize() != 0 && ids.byteSize() != size() * 8) {
      throw new IllegalArgumentException("one id an image");
    }
  }

  /** From uint8 pixels (n·H·W·C) and int32 labels (n), whose index is their id. */
  static StoredImages ofBytes(
      String name,
      ImageShape image,
      List<String> classes,
      MemorySegment store,
      MemorySegment labels) {
    return new StoredImages(name, image, classes, store, true, labels, MemorySegment.NULL);
  }

  /** From float32 pixels in [0, 1] and int32 labels, whose index is their id. */
  static StoredImages ofFloats(
      String name,
      ImageShape image,
      List<String> classes,
      MemorySegment store,
      MemorySegment labels) {
    return new StoredImages(name, image, classes, store, false, labels, MemorySegment.NULL);
  }

  /** The same images under ids (int64) of their own. */
  StoredImages withIds(MemorySegment newIds) {
    return new StoredImages(name, image, classNames, store, bytes, labels, newIds);
  }

  /** The names of classes that have none: their numbers. */
  static List<String> numbered(int classes) {
    return IntStream.range(0, classes).mapToObj(Integer::toString).toList();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public long size() {
    return labels.byteSize() / 4;
  }

  @Override
  public ImageShape image() {
    return image;
  }

  @Override
  public int classes() {
    return classNames.size();
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public int label(long index) {
    return labels.getAtIndex(ValueLayout.JAVA_INT, Objects.checkIndex(index, size()));
  }

  @Override
  public long id(long index) {
    Objects.checkIndex(index, size());
    return ids.byteSize() == 0 ? index : ids.getAtIndex(ValueLayout.JAVA_LONG, index);
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    Objects.checkIndex(index, size());
    long count = image.floats();
    Objects.checkFromIndexSize(floatOffset, count, out.byteSize() / 4);
    long from = index * count;
    if (bytes) {
      for (long i = 0; i < count; i++) {
        float value = Normalisation.UNIT[store.get(ValueLayout.JAVA_BYTE, from + i) & 0xff];
        out.setAtIndex(ValueLayout.JAVA_FLOAT, floatOffset + i, value);
      }
    } else {
      MemorySegment.copy(store, from * 4, out, floatOffset * 4, count * 4);
    }
  }

  @Override
  public boolean bytes(long index, MemorySegment out, long offset) {
    Objects.checkIndex(index, size());
    long count = image.floats();
    Objects.checkFromIndexSize(offset, count, out.byteSize());
    if (bytes) {
      MemorySegment.copy(store, index * count, out, offset, count);
    }
    return bytes;
  }
}
