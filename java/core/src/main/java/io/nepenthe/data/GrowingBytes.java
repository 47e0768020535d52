package io.nepenthe.data;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Off-heap bytes that grow as they arrive, so that memory follows what is there, not what is said.
 */
final class GrowingBytes implements AutoCloseable {
  private final String where;
  private Arena arena = Arena.ofConfined();
  private MemorySegment bytes = MemorySegment.NULL;
  private long size;

  /** Nothing yet; {@code where} is named if memory runs out. */
  GrowingBytes(String where) {
    this.where = where;
  }

  long size() {
    return size;
  }

  void append(byte[] from, int length) {
    if (size + length > bytes.byteSize()) {
      grow(size + length);
    }
    MemorySegment.copy(MemorySegment.ofArray(from), 0, bytes, size, length);
    size += length;
  }

  /** What has arrived, valid until more does. */
  MemorySegment view() {
    return bytes.asSlice(0, size);
  }

  /** What has arrived, in memory of its own. */
  MemorySegment copy() {
    MemorySegment copy = Memory.allocate(where, size);
    MemorySegment.copy(bytes, 0, copy, 0, size);
    return copy;
  }

  private void grow(long needed) {
    Arena larger = Arena.ofConfined();
    try {
      long room = Math.max(needed, Math.max(1 << 16, bytes.byteSize() * 2));
      MemorySegment next = larger.allocate(room, 64);
      MemorySegment.copy(bytes, 0, next, 0, size);
      arena.close();
      arena = larger;
      bytes = next;
    } catch (OutOfMemoryError e) {
      larger.close();
      throw new DataException(where, "enough memory for " + needed + " bytes", "none left", e);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
