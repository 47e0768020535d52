package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Several {@link Mask}s over the same tensors in one block of memory, so that one sweep can write
 * them all.
 */
public final class MaskStack {
  private final MemorySegment block;
  private final List<Shape> shapes;
  private final long[] offsets;
  private final long stride;
  private final List<Mask> masks;

  private MaskStack(MemorySegment block, List<Shape> shapes, long[] offsets, int count) {
    this.block = block;
    this.shapes = shapes;
    this.offsets = offsets;
    this.stride = offsets[shapes.size()];
    List<Mask> views = new ArrayList<>();
    for (int mask = 0; mask < count; mask++) {
      List<Mask.Part> parts = new ArrayList<>();
      for (int tensor = 0; tensor < shapes.size(); tensor++) {
        long elements = shapes.get(tensor).elements();
        MemorySegment words =
            block.asSlice((mask * stride + offsets[tensor]) * Long.BYTES, words(elements) * 8);
        parts.add(new Mask.Part(words, elements));
      }
      views.add(new Mask(parts));
    }
    this.masks = List.copyOf(views);
  }

  /**
   * {@code count} masks in {@code arena} over tensors of these shapes, with nothing selected.
   *
   * @throws IllegalArgumentException if {@code count} is not positive
   */
  public static MaskStack zeros(Arena arena, int count, List<Shape> shapes) {
    Checks.positive("count", count);
    List<Shape> kept = List.copyOf(shapes);
    long[] offsets = new long[kept.size() + 1];
    for (int tensor = 0; tensor < kept.size(); tensor++) {
      offsets[tensor + 1] = Math.addExact(offsets[tensor], words(kept.get(tensor).elements()));
    }
    long bytes = Math.multiplyExact(Math.multiplyExact(offsets[kept.size()], count), Long.BYTES);
    return new MaskStack(arena.allocate(bytes, Tensor.ALIGNMENT), kept, offsets, count);
  }

  /** The number of masks. */
  public int count() {
    return masks.size();
  }

  /**
   * One of the masks: a view, not a copy.
   *
   * @throws IndexOutOfBoundsException if there is no such mask
   */
  public Mask mask(int index) {
    return masks.get(index);
  }

  /** The shapes of the tensors. */
  public List<Shape> shapes() {
    return shapes;
  }

  /** All bits. */
  MemorySegment block() {
    return block;
  }

  /** The words of that tensor in the first mask, and all that follow. */
  MemorySegment from(int tensor) {
    return block.asSlice(offsets[tensor] * Long.BYTES);
  }

  /** The words from one mask to the next. */
  long stride() {
    return stride;
  }

  private static long words(long elements) {
    return (elements + Long.SIZE - 1) / Long.SIZE;
  }
}
