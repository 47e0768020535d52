package io.nepenthe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * Float32 values in native memory, row-major and contiguous. A tensor owns nothing: its memory
 * lives as long as the arena it came from, and every use after that arena closed throws {@link
 * IllegalStateException}.
 */
public final class Tensor {
  /** Tensors start at a cache line, so that no two share one. */
  public static final long ALIGNMENT = 64;

  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  private final MemorySegment segment;
  private final Shape shape;

  private Tensor(MemorySegment segment, Shape shape) {
    this.segment = segment;
    this.shape = shape;
  }

  /** A new tensor of zeros in {@code arena}. */
  public static Tensor zeros(Arena arena, Shape shape) {
    return new Tensor(arena.allocate(shape.bytes(), ALIGNMENT), shape);
  }

  /** A new tensor of zeros in {@code arena}, of these sizes. */
  public static Tensor zeros(Arena arena, long... sizes) {
    return zeros(arena, Shape.of(sizes));
  }

  /**
   * A new tensor in {@code arena} holding a copy of {@code values}.
   *
   * @throws IllegalArgumentException if there are not exactly {@code shape.elements()} values
   */
  public static Tensor copyOf(Arena arena, Shape shape, float... values) {
    if (values.length != shape.elements()) {
      throw new IllegalArgumentException(
          "shape " + shape + " needs " + shape.elements() + " values, found " + values.length);
    }
    Tensor tensor = zeros(arena, shape);
    MemorySegment.copy(values, 0, tensor.segment, FLOAT, 0, values.length);
    return tensor;
  }

  /**
   * A view of {@code segment} as a tensor.
   *
   * @throws IllegalArgumentException if the segment is on the Java heap, read-only, not 4-byte
   *     aligned, or not of exactly the shape's bytes
   */
  public static Tensor of(MemorySegment segment, Shape shape) {
    Objects.requireNonNull(shape, "shape");
    if (!segment.isNative()) {
      throw new IllegalArgumentException("a tensor needs native memory, found a heap segment");
    }
    if (segment.isReadOnly()) {
      throw new IllegalArgumentException(
          "a tensor needs writable memory, found a read-only segment");
    }
    if (segment.address() % Float.BYTES != 0) {
      throw new IllegalArgumentException("a tensor's memory must be 4-byte aligned");
    }
    if (segment.byteSize() != shape.bytes()) {
      throw new IllegalArgumentException(
          "shape " + shape + " needs " + shape.bytes() + " bytes, found " + segment.byteSize());
    }
    return new Tensor(segment, shape);
  }

  /** The memory, {@code shape().bytes()} long. */
  public MemorySegment segment() {
    return segment;
  }

  /** The sizes. */
  public Shape shape() {
    return shape;
  }

  /** The number of values. */
  public long elements() {
    return shape.elements();
  }

  /** The value at flat index {@code index}. */
  public float get(long index) {
    return segment.getAtIndex(FLOAT, index);
  }

  /** Sets the value at flat index {@code index}. */
  public void set(long index, float value) {
    segment.setAtIndex(FLOAT, index, value);
  }

  /**
   * The same memory under another shape.
   *
   * @throws IllegalArgumentException if the number of elements differs
   */
  public Tensor reshape(Shape other) {
    if (other.elements() != shape.elements()) {
      throw new IllegalArgumentException("cannot view shape " + shape + " as " + other);
    }
    return new Tensor(segment, other);
  }

  /**
   * A view of {@code part.elements()} values from flat index {@code offset} on.
   *
   * @throws IndexOutOfBoundsException if they do not lie within this tensor
   */
  public Tensor slice(long offset, Shape part) {
    Objects.checkFromIndexSize(offset, part.elements(), shape.elements());
    return new Tensor(segment.asSlice(offset * Float.BYTES, part.bytes()), part);
  }

  /** Sets every value to 0. */
  public void clear() {
    segment.fill((byte) 0);
  }

  /**
   * Copies all values of {@code source} into this tensor.
   *
   * @throws IllegalArgumentException if the shapes differ
   */
  public void copyFrom(Tensor source) {
    if (!source.shape.equals(shape)) {
      throw new IllegalArgumentException("cannot copy shape " + source.shape + " to " + shape);
    }
    segment.copyFrom(source.segment);
  }

  /**
   * A copy on the Java heap.
   *
   * @throws IllegalStateException if there are more values than an array can hold
   */
  public float[] toArray() {
    return segment.toArray(FLOAT);
  }

  /**
   * Whether the two share any byte; empty tensors share nothing.
   *
   * @throws IllegalStateException if the memory of one was closed: its address may be another's now
   */
  public boolean overlaps(Tensor other) {
    requireAlive();
    other.requireAlive();
    long start = segment.address();
    long otherStart = other.segment.address();
    return start < otherStart + other.segment.byteSize()
        && otherStart < start + segment.byteSize()
        && elements() > 0
        && other.elements() > 0;
  }

  private void requireAlive() {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the memory of " + this + " was closed");
    }
  }

  /** The shape, and whether the memory is still alive. */
  @Override
  public String toString() {
    return "Tensor" + shape + (segment.scope().isAlive() ? "" : " (closed)");
  }
}
