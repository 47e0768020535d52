package io.nepenthe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Scratch memory that operations reuse: one block, grown when an operation needs more than any
 * before it, so that a repeated step allocates nothing. Its content means nothing between
 * operations. Each has it to itself, from {@link #begin} to the {@linkplain Turn#close end} of its
 * turn: another thread that begins meanwhile is refused.
 */
public final class Workspace implements AutoCloseable {
  private final OneThread users = new OneThread("backend");
  private final Turn turn = new Turn();
  private Arena arena = Arena.ofShared();
  private MemorySegment block = MemorySegment.NULL;

  /** The part that was last asked for: a slice is an object, and a repeated step makes none. */
  private MemorySegment part = MemorySegment.NULL;

  private boolean closed;

  /** A workspace without memory yet. */
  public Workspace() {}

  /**
   * Begins the turn of the calling thread, always the same object.
   *
   * @throws IllegalStateException if another thread's has not ended
   */
  public Turn begin() {
    users.enter();
    return turn;
  }

  /** The use that one operation makes of the memory. */
  public final class Turn implements AutoCloseable {
    private Turn() {}

    /**
     * At least {@code bytes} bytes, aligned to {@link Tensor#ALIGNMENT}, valid until the next call
     * or the end of the turn.
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

    /** Lets the next begin. */
    @Override
    public void close() {
      users.close();
    }
  }

  /** The bytes held now. */
  public long bytes() {
    return block.byteSize();
  }

  /**
   * Releases the memory; closing again does nothing.
   *
   * @throws IllegalStateException if another thread's turn has not ended
   */
  @Override
  public void close() {
    try (Turn _ = begin()) {
      if (!closed) {
        closed = true;
        arena.close();
      }
    }
  }
}
