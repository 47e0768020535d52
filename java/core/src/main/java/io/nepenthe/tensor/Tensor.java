package io.nepenthe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.Optional;

/**
 * Float32 values in native memory, row-major and contiguous, on the host or on a device. A tensor
 * owns nothing: its memory lives as long as the arena it came from, and every use after that arena
 * closed throws {@link IllegalStateException}. The values of a tensor on a device can only be
 * copied, from tensor to tensor: reading or writing one is an {@link IllegalStateException} too.
 */
public final class Tensor {
  /** Tensors start at a cache line, so that no two share one. */
  public static final long ALIGNMENT = 64;

  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  private final MemorySegment segment;
  private final Shape shape;

  /** Where it lies; null for the host. */
  private final DeviceMemory device;

  private Tensor(MemorySegment segment, Shape shape, DeviceMemory device) {
    this.segment = segment;
    this.shape = shape;
    this.device = device;
  }

  /** A new tensor of zeros in {@code arena}. */
  public static Tensor zeros(Arena arena, Shape shape) {
    return new Tensor(arena.allocate(shape.bytes(), ALIGNMENT), shape, null);
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
    return new Tensor(segment, shape, null);
  }

  /**
   * Memory of a device as a tensor.
   *
   * @param segment stands for it: its address, its size and its life; never read here
   * @throws IllegalArgumentException if it is not of exactly the shape's bytes
   */
  public static Tensor of(MemorySegment segment, Shape shape, DeviceMemory device) {
    Objects.requireNonNull(device, "device");
    if (segment.byteSize() != shape.bytes()) {
      throw new IllegalArgumentException(
          "shape " + shape + " needs " + shape.bytes() + " bytes, found " + segment.byteSize());
    }
    return new Tensor(segment, shape, device);
  }

  /**
   * The memory, {@code shape().bytes()} long.
   *
   * @throws IllegalStateException if it lies on a device
   */
  public MemorySegment segment() {
    requireHost();
    return segment;
  }

  /**
   * Where the memory begins, on the host or on its device.
   *
   * @throws IllegalStateException if the memory was closed
   */
  public long address() {
    requireAlive();
    return segment.address();
  }

  /** Whether Java can read and write it. */
  public boolean onHost() {
    return device == null;
  }

  /** The device that it lies on; empty for the host. */
  public Optional<DeviceMemory> device() {
    return Optional.ofNullable(device);
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
    requireHost();
    return segment.getAtIndex(FLOAT, index);
  }

  /** Sets the value at flat index {@code index}. */
  public void set(long index, float value) {
    requireHost();
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
    return new Tensor(segment, other, device);
  }

  /**
   * A view of {@code part.elements()} values from flat index {@code offset} on.
   *
   * @throws IndexOutOfBoundsException if they do not lie within this tensor
   */
  public Tensor slice(long offset, Shape part) {
    Objects.checkFromIndexSize(offset, part.elements(), shape.elements());
    return new Tensor(segment.asSlice(offset * Float.BYTES, part.bytes()), part, device);
  }

  /** Sets every value to 0. */
  public void clear() {
    requireAlive();
    if (device == null) {
      segment.fill((byte) 0);
    } else {
      device.clear(segment);
    }
  }

  /**
   * Copies all values of {@code source} into this tensor, wherever the two lie.
   *
   * @throws IllegalArgumentException if the shapes differ, or the two lie on different devices
   */
  public void copyFrom(Tensor source) {
    if (!source.shape.equals(shape)) {
      throw new IllegalArgumentException("cannot copy shape " + source.shape + " to " + shape);
    }
    requireAlive();
    source.requireAlive();
    if (device == null && source.device == null) {
      segment.copyFrom(source.segment);
    } else if (device == null) {
      source.device.download(segment, source.segment);
    } else if (source.device == null) {
      device.upload(segment, source.segment);
    } else if (device == source.device) {
      device.copy(segment, source.segment);
    } else {
      throw new IllegalArgumentException(
          "cannot copy from " + source.device.name() + " to " + device.name());
    }
  }

  /**
   * The same values on the host: this tensor if it lies there, else a copy that ends with the
   * arena.
   */
  public Tensor toHost(Arena arena) {
    if (onHost()) {
      return this;
    }
    Tensor copy = zeros(arena, shape);
    copy.copyFrom(this);
    return copy;
  }

  /**
   * A copy on the Java heap.
   *
   * @throws IllegalStateException if there are more values than an array can hold
   */
  public float[] toArray() {
    requireHost();
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

  private void requireHost() {
    if (device != null) {
      throw new IllegalStateException(
          this + " lies on " + device.name() + ": copy it to a tensor of the host first");
    }
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
