package io.nepenthe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Scratch memory that operations reuse: one block, grown when an operation needs more than any
 * before it, so that a repeated step allocates nothing. Its content means nothing between
 * operations. Not for use by two threads at once.
 */
public final class Workspace implements AutoCloseable {
  private Arena arena = Arena.ofShared();
  private MemorySegment block = MemorySegment.NULL;

  /** The part that was last asked for: a slice is an object, and a repeated step makes none. */
  private MemorySegment part = MemorySegment.NULL;

  private boolean closed;

  /** A workspace without memory yet. */
  public Workspace() {}

  /**
   * At least {@code bytes} bytes, aligned to {@link Tensor#ALIGNMENT}, valid until the next call or
   * {@link #close()}.
   *
   * @throws IllegalArgumentException if {@code bytes} is negative
   * @throws IllegalStateException if the workspace is closed
   */
  public MemorySegment reserve(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("workspace of " + bytes + " bytes");
    }
    if (closed) {
      throw new IllegalStateException("the workspace is closed");
    }
    if (bytes > block.byteSize()) {
      Arena larger = Arena.ofShared();
      MemorySegment next = larger.allocate(bytes, Tensor.ALIGNMENT);
      arena.close();
      arena = larger;
      block = next;
    }
    return block;
  }

  /**
   * What {@link #reserve} gave last, without its first bytes; valid as long.
   *
   * @throws IndexOutOfBoundsException if there are not so many
   */
  public MemorySegment after(long bytes) {
    if (part.address() != block.address() + bytes
        || part.byteSize() != block.byteSize() - bytes
        || !part.scope().isAlive()) {
      part = block.asSlice(bytes);
    }
    return part;
  }

  /** The bytes held now. */
  public long bytes() {
    return block.byteSize();
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      arena.close();
    }
  }
}
