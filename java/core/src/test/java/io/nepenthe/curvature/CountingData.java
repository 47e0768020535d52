package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Forwarding;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/** Counts how often images are read. */
record CountingData(Dataset of, AtomicLong images) implements Forwarding {
  CountingData(Dataset of) {
    this(of, new AtomicLong());
  }

  /** How often all were read since this was last asked. */
  double passes() {
    return (double) images.getAndSet(0) / of.size();
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    images.incrementAndGet();
    Forwarding.super.pixels(index, out, floatOffset);
  }
}
