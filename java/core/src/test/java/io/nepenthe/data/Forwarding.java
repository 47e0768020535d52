package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** The images of another data set, but for what is overridden; it does not tell their bytes. */
public interface Forwarding extends Dataset {
  /** The other. */
  Dataset of();

  @Override
  default String name() {
    return of().name();
  }

  @Override
  default long size() {
    return of().size();
  }

  @Override
  default ImageShape image() {
    return of().image();
  }

  @Override
  default int classes() {
    return of().classes();
  }

  @Override
  default List<String> classNames() {
    return of().classNames();
  }

  @Override
  default int label(long index) {
    return of().label(index);
  }

  @Override
  default long id(long index) {
    return of().id(index);
  }

  @Override
  default void pixels(long index, MemorySegment out, long floatOffset) {
    of().pixels(index, out, floatOffset);
  }
}
