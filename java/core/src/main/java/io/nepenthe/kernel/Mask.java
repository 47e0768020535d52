package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

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

    Part(MemorySegment words, long elements) {
      this.words = words;
      this.elements = elements;
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
