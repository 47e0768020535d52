package io.nepenthe.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ShapeTest {
  @Test
  void sizesAreKept() {
    Shape shape = Shape.of(64, 3, 5, 16);
    assertEquals(4, shape.rank());
    assertEquals(3, shape.size(1));
    assertEquals(64 * 3 * 5 * 16, shape.elements());
    assertEquals(4 * 64 * 3 * 5 * 16, shape.bytes());
    assertEquals("[64, 3, 5, 16]", shape.toString());
    assertEquals(Shape.of(64, 3, 5, 16), shape);
    assertEquals(Shape.of(64, 3, 5, 16).hashCode(), shape.hashCode());
    assertNotEquals(Shape.of(64, 3, 80), shape);
    assertThrows(ArrayIndexOutOfBoundsException.class, () -> shape.size(4));
  }

  @Test
  void theCallersArrayIsCopied() {
    long[] sizes = {2, 3};
    Shape shape = Shape.of(sizes);
    sizes[0] = -1;
    assertEquals(Shape.of(2, 3), shape);
  }

  @Test
  void aScalarHasOneElementAndAnEmptyShapeNone() {
    assertEquals(1, Shape.of().elements());
    assertEquals("[]", Shape.of().toString());
    assertEquals(0, Shape.of(5, 0, 7).elements());
  }

  @Test
  void badSizesAreRefused() {
    assertRefused("shape [2, -1] has a negative size", 2, -1);
    assertRefused("shape has 9 dimensions; at most 8 are supported", 1, 1, 1, 1, 1, 1, 1, 1, 1);
    long half = 1L << 31;
    assertRefused("shape [2147483648, 1073741824] has more than 2^61 elements", half, half / 2);
    assertRefused("shape [" + Long.MAX_VALUE + "] has more than 2^61 elements", Long.MAX_VALUE);
    assertEquals((1L << 61) - 1, Shape.of((1L << 61) - 1).elements());
  }

  private static void assertRefused(String message, long... sizes) {
    assertEquals(
        message, assertThrows(IllegalArgumentException.class, () -> Shape.of(sizes)).getMessage());
  }

  /** Whatever the sizes, elements are their exact product or the shape is refused. */
  @Property
  void elementsNeverOverflow(@ForAll @Size(max = 8) long[] sizes) {
    BigInteger product = BigInteger.ONE;
    boolean refused = false;
    for (long size : sizes) {
      product = product.multiply(BigInteger.valueOf(size));
      refused |= size < 0 || product.bitLength() > 61;
    }
    if (refused) {
      assertThrows(IllegalArgumentException.class, () -> Shape.of(sizes));
    } else {
      assertEquals(product, BigInteger.valueOf(Shape.of(sizes).elements()));
      assertEquals(product.shiftLeft(2), BigInteger.valueOf(Shape.of(sizes).bytes()));
    }
  }
}
