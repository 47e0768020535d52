package io.nepenthe.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TensorTest {
  private final Arena arena = Arena.ofConfined();

  @AfterEach
  void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  @Test
  void zerosAreAlignedAndZero() {
    for (int size = 0; size < 70; size++) {
      Tensor tensor = Tensor.zeros(arena, size);
      assertEquals(0, tensor.segment().address() % Tensor.ALIGNMENT);
      assertArrayEquals(new float[size], tensor.toArray());
    }
  }

  @Test
  void valuesAreKeptInRowMajorOrder() {
    Tensor tensor = Tensor.copyOf(arena, Shape.of(2, 3), 1, 2, 3, 4, 5, 6);
    assertEquals(5, tensor.get(4));
    tensor.set(4, -5);
    assertArrayEquals(new float[] {1, 2, 3, 4, -5, 6}, tensor.reshape(Shape.of(6)).toArray());
    assertEquals(6, tensor.elements());
    assertEquals("Tensor[2, 3]", tensor.toString());
    assertRefused("shape [2] needs 2 values, found 1", () -> Tensor.copyOf(arena, Shape.of(2), 1));
  }

  @Test
  void unsuitableMemoryIsRefused() {
    Shape two = Shape.of(2);
    assertRefused(
        "a tensor needs native memory, found a heap segment",
        () -> Tensor.of(MemorySegment.ofArray(new float[2]), two));
    MemorySegment native12 = arena.allocate(12, 4);
    assertRefused(
        "a tensor needs writable memory, found a read-only segment",
        () -> Tensor.of(native12.asSlice(0, 8).asReadOnly(), two));
    for (int offset = 1; offset < 4; offset++) {
      MemorySegment misaligned = native12.asSlice(offset, 8);
      assertRefused("a tensor's memory must be 4-byte aligned", () -> Tensor.of(misaligned, two));
    }
    assertRefused("shape [2] needs 8 bytes, found 12", () -> Tensor.of(native12, two));
    assertThrows(NullPointerException.class, () -> Tensor.of(native12, null));
    Tensor view = Tensor.of(native12.asSlice(4, 8), two);
    view.set(0, 7);
    assertEquals(7, native12.getAtIndex(ValueLayout.JAVA_FLOAT, 1));
  }

  @Test
  void accessOutsideIsRefused() {
    Tensor tensor = Tensor.zeros(arena, 4).slice(1, Shape.of(2));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.get(-1));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.get(2));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.set(2, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(-1, Shape.of(1)));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(1, Shape.of(2)));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(3, Shape.of(0)));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(Long.MAX_VALUE, Shape.of(1)));
    assertEquals(0, tensor.slice(2, Shape.of(0)).elements());
  }

  @Test
  void shapesMustFit() {
    Tensor four = Tensor.zeros(arena, 2, 2);
    assertRefused("cannot view shape [2, 2] as [3]", () -> four.reshape(Shape.of(3)));
    assertRefused("cannot copy shape [4] to [2, 2]", () -> four.copyFrom(Tensor.zeros(arena, 4)));
  }

  @Test
  void everyUseAfterCloseIsRefused() {
    Tensor tensor = Tensor.zeros(arena, 4);
    Tensor part = tensor.slice(1, Shape.of(2));
    arena.close();
    assertThrows(IllegalStateException.class, () -> tensor.get(0));
    assertThrows(IllegalStateException.class, () -> part.set(0, 1));
    assertThrows(IllegalStateException.class, tensor::toArray);
    assertThrows(IllegalStateException.class, tensor::clear);
    assertEquals("Tensor[4] (closed)", tensor.toString());
  }

  @Test
  void clearAndCopyReachAllValuesAndNoOthers() {
    Tensor all = Tensor.copyOf(arena, Shape.of(4), 1, 2, 3, 4);
    Tensor middle = all.slice(1, Shape.of(2));
    middle.copyFrom(Tensor.copyOf(arena, Shape.of(2), 8, 9));
    assertArrayEquals(new float[] {1, 8, 9, 4}, all.toArray());
    middle.clear();
    assertArrayEquals(new float[] {1, 0, 0, 4}, all.toArray());
  }

  @Test
  void memoryThatNoMachineHasIsAnError() {
    assertThrows(OutOfMemoryError.class, () -> Tensor.zeros(arena, 1L << 60));
  }

  /** Two slices of one buffer overlap just when their intervals do; an empty one never. */
  @Property
  void overlapIsIntersection(
      @ForAll @LongRange(max = 20) long start,
      @ForAll @LongRange(max = 20) long size,
      @ForAll @LongRange(max = 20) long otherStart,
      @ForAll @LongRange(max = 20) long otherSize) {
    try (Arena own = Arena.ofConfined()) {
      Tensor all = Tensor.zeros(own, 40);
      Tensor one = all.slice(start, Shape.of(size));
      Tensor other = all.slice(otherStart, Shape.of(otherSize));
      boolean expected =
          Math.max(start, otherStart) < Math.min(start + size, otherStart + otherSize);
      assertEquals(expected, one.overlaps(other));
      assertEquals(expected, other.overlaps(one));
      assertFalse(Tensor.zeros(own, 40).overlaps(all));
    }
  }

  @Property
  void aSliceSeesItsPart(
      @ForAll @LongRange(max = 30) long offset, @ForAll @LongRange(max = 30) long size) {
    try (Arena own = Arena.ofConfined()) {
      Tensor all = Tensor.zeros(own, 30);
      for (long i = 0; i < 30; i++) {
        all.set(i, i);
      }
      if (offset + size > 30) {
        assertThrows(IndexOutOfBoundsException.class, () -> all.slice(offset, Shape.of(size)));
        return;
      }
      Tensor part = all.slice(offset, Shape.of(size));
      for (long i = 0; i < size; i++) {
        assertEquals(offset + i, part.get(i));
      }
      assertTrue(size == 0 || part.overlaps(all));
    }
  }

  private static void assertRefused(String message, Executable use) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, use).getMessage());
  }
}
