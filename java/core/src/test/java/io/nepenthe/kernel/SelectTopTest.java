package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SelectTopTest {
  private static final double[] RATIOS = {0.5, 0, 1, 0.1, 0.9, 0.3, 0.31, 0.999, 1e-4, 0.5};

  @Test
  void goldenToy() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor values = Tensor.copyOf(arena, Shape.of(4), 3, -1, -3, 2);
      MaskStack out = MaskStack.zeros(arena, 1, List.of(values.shape()));
      List<SelectTop.Cut> cuts = backend.selectTop(List.of(values), out, 0.5);
      assertEquals(List.of(new SelectTop.Cut(2, 3, 2, 2)), cuts);
      assertEquals(0b0101, out.mask(0).part(0).segment().get(ValueLayout.JAVA_LONG, 0));
      assertTrue(out.mask(0).get(0, 2));
      assertFalse(out.mask(0).get(0, 3));
      assertEquals(2, out.mask(0).selected());
      assertEquals(4, out.mask(0).elements());
    }
  }

  @Test
  void countsTheDecimalThatWasWritten() {
    assertEquals(3, SelectTop.count(0.3, 10));
    assertEquals(2, SelectTop.count(Math.nextDown(0.3), 10));
    assertEquals(7, SelectTop.count(0.7, 10));
    assertEquals(29, SelectTop.count(0.29, 100));
    assertEquals(0, SelectTop.count(0, 10));
    assertEquals(0, SelectTop.count(-0.0, 10));
    assertEquals(1L << 61, SelectTop.count(1, 1L << 61));
    assertEquals((1L << 60) - 1, SelectTop.count(0.5, (1L << 61) - 1));
  }

  @Test
  void equalValuesGoToTheLowestIndices() {
    int[] sizes = {70_001, 5, 131_073, 1};
    long total = Arrays.stream(sizes).asLongStream().sum();
    for (float value : new float[] {0, -0.0f, 1, -Float.MIN_VALUE, Float.NEGATIVE_INFINITY}) {
      for (int threads = 1; threads <= 3; threads++) {
        try (Arena arena = Arena.ofConfined();
            Backend backend = Device.cpu(threads).open()) {
          List<Tensor> tensors = tensors(arena, sizes, () -> value);
          MaskStack out = MaskStack.zeros(arena, RATIOS.length, shapes(tensors));
          backend.selectTop(tensors, out, RATIOS);
          for (int cut = 0; cut < RATIOS.length; cut++) {
            long wanted = SelectTop.count(RATIOS[cut], total);
            long flat = 0;
            for (int t = 0; t < sizes.length; t++) {
              for (long i = 0; i < sizes[t]; i++) {
                assertEquals(flat++ < wanted, out.mask(cut).get(t, i));
              }
            }
          }
        }
      }
    }
  }

  @Test
  void agreesWithSortingBitForBit() {
    for (int size : KernelTest.SIZES) {
      for (int threads = 1; threads <= 3; threads++) {
        compare(new int[] {size}, KernelTest.normal(size), threads);
      }
    }
    int[] several = {0, 67, 20_011, 0, 1, 131_073, 64, 4_096};
    SplittableRandom random = new SplittableRandom(3);
    for (int threads = 1; threads <= 3; threads++) {
      compare(several, KernelTest.normal(1), threads);
      compare(several, KernelTest.integers(2, 5), threads);
      compare(several, () -> odd(random), threads);
      compare(several, () -> Float.intBitsToFloat(random.nextInt(4)), threads);
    }
  }

  /** Zeros of both signs, infinities, subnormal and the largest values, and neighbours of 1. */
  private static float odd(SplittableRandom random) {
    float magnitude =
        switch (random.nextInt(6)) {
          case 0 -> 0;
          case 1 -> Float.POSITIVE_INFINITY;
          case 2 -> Float.MAX_VALUE;
          case 3 -> Float.intBitsToFloat(random.nextInt(1 << 23));
          case 4 -> Float.intBitsToFloat(0x3f800000 + random.nextInt(8));
          default -> Float.intBitsToFloat(random.nextInt(0x7f800000));
        };
    return random.nextBoolean() ? magnitude : -magnitude;
  }

  private static void compare(int[] sizes, KernelTest.Values source, int threads) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(threads).open()) {
      List<Tensor> tensors = tensors(arena, sizes, source);
      MaskStack want = MaskStack.zeros(arena, RATIOS.length, shapes(tensors));
      MaskStack got = MaskStack.zeros(arena, RATIOS.length, shapes(tensors));
      got.block().fill((byte) 0xa5);
      List<SelectTop.Cut> expected = SelectTop.reference(tensors, want, RATIOS);
      assertEquals(expected, backend.selectTop(tensors, got, RATIOS));
      assertEquals(-1, want.block().mismatch(got.block()), "masks of " + Arrays.toString(sizes));
      for (int cut = 0; cut < RATIOS.length; cut++) {
        assertEquals(expected.get(cut).selected(), got.mask(cut).selected());
      }
    }
  }

  private static List<Tensor> tensors(Arena arena, int[] sizes, KernelTest.Values source) {
    List<Tensor> tensors = new ArrayList<>();
    for (int size : sizes) {
      tensors.add(KernelTest.guarded(arena, size, source).tensor());
    }
    return tensors;
  }

  private static List<Shape> shapes(List<Tensor> tensors) {
    return tensors.stream().map(Tensor::shape).toList();
  }

  @Test
  void takesAsManyRatiosAsItSays() {
    double[] ratios = new double[SelectTop.MAX_RATIOS];
    Arrays.setAll(ratios, i -> (i + 0.5) / ratios.length);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      List<Tensor> tensors = tensors(arena, new int[] {66_000, 3}, KernelTest.normal(9));
      MaskStack want = MaskStack.zeros(arena, ratios.length, shapes(tensors));
      MaskStack got = MaskStack.zeros(arena, ratios.length, shapes(tensors));
      assertEquals(
          SelectTop.reference(tensors, want, ratios), backend.selectTop(tensors, got, ratios));
      assertEquals(-1, want.block().mismatch(got.block()));
    }
  }

  @Test
  void countsNaNsAndLeavesTheMasks() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      List<Tensor> tensors = tensors(arena, new int[] {100_000, 7}, KernelTest.normal(4));
      tensors.get(0).set(5, Float.NaN);
      tensors.get(0).set(99_999, Float.intBitsToFloat(0xff800001));
      tensors.get(0).set(17, Float.POSITIVE_INFINITY);
      tensors.get(1).set(6, Float.intBitsToFloat(0x7fffffff));
      MaskStack out = MaskStack.zeros(arena, 1, shapes(tensors));
      out.mask(0).part(1).set(3, true);
      IllegalArgumentException refused =
          assertThrows(IllegalArgumentException.class, () -> backend.selectTop(tensors, out, 0.5));
      assertTrue(refused.getMessage().startsWith("3 of the values are NaN"), refused.getMessage());
      assertEquals(1, out.mask(0).selected());
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor values = Tensor.zeros(arena, 4);
      List<Tensor> one = List.of(values);
      MaskStack out = MaskStack.zeros(arena, 1, List.of(Shape.of(4)));
      for (double ratio : new double[] {-0.1, 1.1, Double.NaN}) {
        assertThrows(IllegalArgumentException.class, () -> backend.selectTop(one, out, ratio));
      }
      assertThrows(IllegalArgumentException.class, () -> backend.selectTop(one, out));
      assertThrows(IllegalArgumentException.class, () -> backend.selectTop(one, out, 0.1, 0.2));
      assertThrows(
          IllegalArgumentException.class, () -> backend.selectTop(one, out, new double[65]));
      assertThrows(IllegalArgumentException.class, () -> backend.selectTop(List.of(), out, 0.5));
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.selectTop(List.of(Tensor.zeros(arena, 5)), out, 0.5));
      MaskStack two = MaskStack.zeros(arena, 1, List.of(Shape.of(2)));
      Tensor inside = Tensor.of(two.mask(0).part(0).segment(), Shape.of(2));
      assertThrows(
          IllegalArgumentException.class, () -> backend.selectTop(List.of(inside), two, 0.5));
      assertThrows(IllegalArgumentException.class, () -> MaskStack.zeros(arena, 0, List.of()));
      assertThrows(IndexOutOfBoundsException.class, () -> out.mask(0).get(0, 4));
      assertThrows(IndexOutOfBoundsException.class, () -> out.mask(0).part(0).set(-1, true));
      Arena closed = Arena.ofConfined();
      Tensor gone = Tensor.zeros(closed, 4);
      MaskStack goneMask = MaskStack.zeros(closed, 1, List.of(Shape.of(4)));
      closed.close();
      assertThrows(IllegalStateException.class, () -> backend.selectTop(List.of(gone), out, 0.5));
      assertThrows(IllegalStateException.class, () -> backend.selectTop(one, goneMask, 0.5));
    }
  }
}
