package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** Counts how often images are read. */
record CountingData(Dataset of, AtomicLong images) implements Dataset {
  CountingData(Dataset of) {
    this(of, new AtomicLong());
  }

  /** How often all were read since this was last asked. */
  double passes() {
    return (double) images.getAndSet(0) / of.size();
  }

  @Override
  public String name() {
    return of.name();
  }

  @Override
  public long size() {
    return of.size();
  }

  @Override
  public ImageShape image() {
    return of.image();
  }

  @Override
  public int classes() {
    return of.classes();
  }

  @Override
  public List<String> classNames() {
    return of.classNames();
  }

  @Override
  public int label(long index) {
    return of.label(index);
  }

  @Override
  public long id(long index) {
    return of.id(index);
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    images.incrementAndGet();
    of.pixels(index, out, floatOffset);
  }
}
