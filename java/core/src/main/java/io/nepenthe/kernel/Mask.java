package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One bit per value of a list of tensors, off-heap: 1 for a value that is selected, and may change,
 * 0 for one that is frozen. Each tensor's bits start at a fresh 64-bit word, bit i % 64 of word i /
 * 64 being value i; the bits past a tensor's end are 0. The mask lives as long as the arena it came
 * from.
 */
public final class Mask {
  private final List<Part> parts;

  Mask(List<Part> parts) {
    this.parts = List.copyOf(parts);
  }

  /** A mask in {@code arena} over tensors of these shapes, with nothing selected. */
  public static Mask zeros(Arena arena, List<Shape> shapes) {
    return MaskStack.zeros(arena, 1, shapes).mask(0);
  }

  /** The number of tensors. */
  public int tensors() {
    return parts.size();
  }

  /**
   * The bits of one tensor.
   *
   * @throws IndexOutOfBoundsException if there is no such tensor
   */
  public Part part(int tensor) {
    return parts.get(tensor);
  }

  /** Whether value {@code index} of that tensor is selected. */
  public boolean get(int tensor, long index) {
    return part(tensor).get(index);
  }

  /** The number of bits, over all tensors. */
  public long elements() {
    return parts.stream().mapToLong(Part::elements).sum();
  }

  /** How many values are selected, over all tensors; counts them anew. */
  public long selected() {
    return parts.stream().mapToLong(Part::selected).sum();
  }

  /** Selects nothing. */
  public void clear() {
    parts.forEach(part -> part.words.fill((byte) 0));
  }

  /** The numbers of values and of tensors. */
  @Override
  public String toString() {
    return "Mask of " + elements() + " values in " + tensors() + " tensors";
  }

  /** The bits of one tensor: a view, not a copy. */
  public static final class Part {
    private final MemorySegment words;
    private final long elements;
    private final Optional<Tensor> onDevice;

    Part(MemorySegment words, long elements) {
      this(words, elements, Optional.empty());
    }

    private Part(MemorySegment words, long elements, Optional<Tensor> onDevice) {
      this.words = words;
      this.elements = elements;
      this.onDevice = onDevice;
    }

    /** A copy of the bits as they are, which cannot be changed. */
    Part frozen(Arena arena) {
      MemorySegment copy = arena.allocate(words.byteSize(), Long.BYTES).copyFrom(words);
      return new Part(copy.asReadOnly(), elements);
    }

    /**
     * These bits, which are frozen, with a copy of their words on a device.
     *
     * @param device two float32 values for each word
     */
    Part with(Tensor device) {
      return new Part(words, elements, Optional.of(device));
    }

    /** The copy on a device, where there is one. */
    Optional<Tensor> onDevice() {
      return onDevice;
    }

    /** The number of values. */
    public long elements() {
      return elements;
    }

    /** The words, in native byte order: {@code ceil(elements / 64)} of them. */
    public MemorySegment segment() {
      return words;
    }

    /**
     * Whether value {@code index} is selected.
     *
     * @throws IndexOutOfBoundsException if there is no such value
     */
    public boolean get(long index) {
      return (word(index) >>> index & 1) != 0;
    }

    /**
     * Selects value {@code index}, or not.
     *
     * @throws IndexOutOfBoundsException if there is no such value
     * @throws IllegalArgumentException if the bits are frozen ({@link Backend#freeze})
     */
    public void set(long index, boolean selected) {
      long bit = 1L << index;
      long word = word(index);
      words.setAtIndex(
          ValueLayout.JAVA_LONG, index / Long.SIZE, selected ? word | bit : word & ~bit);
    }

    /** How many values are selected; counts them anew. */
    public long selected() {
      long count = 0;
      for (long word = 0; word < words.byteSize() / Long.BYTES; word++) {
        count += Long.bitCount(words.getAtIndex(ValueLayout.JAVA_LONG, word));
      }
      return count;
    }

    private long word(long index) {
      Objects.checkIndex(index, elements);
      return words.getAtIndex(ValueLayout.JAVA_LONG, index / Long.SIZE);
    }
  }
}
