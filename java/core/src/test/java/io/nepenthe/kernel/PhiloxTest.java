package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class PhiloxTest {
  /** The known answers of the authors' library for philox4x32, 10 rounds. */
  @Test
  void knownAnswers() {
    assertArrayEquals(
        new long[] {0xe169c58d6627e8d5L, 0x9b00dbd8bc57ac4cL}, Philox.reference(0, 0, 0));
    assertArrayEquals(
        new long[] {0x41c83b0e408f276dL, 0x6d5451fda20bc7c6L}, Philox.reference(-1, -1, -1));
    assertArrayEquals(
        new long[] {0x94fdccebd16cfe09L, 0x24126ea15001e420L},
        Philox.reference(0x299f31d0a4093822L, 0x0370734413198a2eL, 0x85a308d3243f6a88L));
  }

  @Property(tries = 50)
  void bitsAreThoseOfPlainJava(@ForAll long key, @ForAll long stream, @ForAll long first) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(3).open()) {
      for (int size : KernelTest.SIZES) {
        MemorySegment out = arena.allocate(8L * size + 8, 8);
        out.set(ValueLayout.JAVA_LONG, 8L * size, 77);
        backend.perSample().philox(out.asSlice(0, 8L * size), key, stream, first);
        MemorySegment want = arena.allocate(8L * size, 8);
        Philox.reference(want, key, stream, first);
        assertEquals(-1, want.mismatch(out.asSlice(0, 8L * size)));
        assertEquals(77, out.get(ValueLayout.JAVA_LONG, 8L * size));
        if (size > 5000) {
          break;
        }
      }
    }
  }

  @Test
  void uniformAndNormalHaveTheirMoments() {
    int n = 200_000;
    double mean = 0;
    double square = 0;
    double normalMean = 0;
    double normalSquare = 0;
    for (int i = 0; i < n; i++) {
      double u = Philox.uniform(3, 5, i);
      double z = Philox.normal(3, 5, i);
      mean += u / n;
      square += u * u / n;
      normalMean += z / n;
      normalSquare += z * z / n;
    }
    // Five standard errors of each moment.
    assertEquals(0.5, mean, 5 * Math.sqrt(1 / 12.0 / n));
    assertEquals(1 / 3.0, square, 5 * Math.sqrt(4 / 45.0 / n));
    assertEquals(0, normalMean, 5 / Math.sqrt(n));
    assertEquals(1, normalSquare, 5 * Math.sqrt(2.0 / n));
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      for (MemorySegment wrong :
          new MemorySegment[] {
            arena.allocate(12),
            arena.allocate(24).asSlice(4, 16),
            MemorySegment.ofArray(new long[2])
          }) {
        assertThrows(
            IllegalArgumentException.class, () -> backend.perSample().philox(wrong, 1, 2, 3));
      }
    }
  }
}
