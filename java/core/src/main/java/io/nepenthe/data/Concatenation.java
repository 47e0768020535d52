package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/** Data sets one after the other; ids of later parts are moved past those of earlier ones. */
final class Concatenation implements Dataset {
  private final String name;
  private final List<Dataset> parts;
  private final long[] ends;
  private final long[] idShifts;

  Concatenation(String name, List<? extends Dataset> parts) {
    this.name = name;
    this.parts = List.copyOf(parts);
    this.ends = new long[parts.size()];
    this.idShifts = new long[parts.size()];
    Dataset first = this.parts.getFirst();
    long end = 0;
    long shift = 0;
    for (int p = 0; p < ends.length; p++) {
      Dataset part = this.parts.get(p);
      if (!part.image().equals(first.image())) {
        throw new DataException(part.name(), "images of " + first.image(), part.image().toString());
      }
      if (!part.classNames().equals(first.classNames())) {
        throw new DataException(
            part.name(), "the classes " + first.classNames(), part.classNames().toString());
      }
      idShifts[p] = shift;
      long next = 0;
      for (long i = 0; i < part.size(); i++) {
        next = Math.max(next, Math.addExact(part.id(i), 1));
      }
      shift = Math.addExact(shift, next);
      end = Math.addExact(end, part.size());
      ends[p] = end;
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public long size() {
    return ends[ends.length - 1];
  }

  @Override
  public ImageShape image() {
    return parts.getFirst().image();
  }

  @Override
  public int classes() {
    return parts.getFirst().classes();
  }

  @Override
  public List<String> classNames() {
    return parts.getFirst().classNames();
  }

  @Override
  public int label(long index) {
    int part = part(index);
    return parts.get(part).label(index - start(part));
  }

  @Override
  public long id(long index) {
    int part = part(index);
    return parts.get(part).id(index - start(part)) + idShifts[part];
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    int part = part(index);
    parts.get(part).pixels(index - start(part), out, floatOffset);
  }

  @Override
  public boolean bytes(long index, MemorySegment out, long offset) {
    int part = part(index);
    return parts.get(part).bytes(index - start(part), out, offset);
  }

  private int part(long index) {
    Objects.checkIndex(index, size());
    int part = 0;
    while (index >= ends[part]) {
      part++;
    }
    return part;
  }

  private long start(int part) {
    return part == 0 ? 0 : ends[part - 1];
  }
}
