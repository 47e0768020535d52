package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class AccumulateTest {
  private static void add(Backend backend, DriftFreeSum state, Tensor terms, Accumulate.Kind kind) {
    switch (kind) {
      case VALUE -> backend.accumulate(state, terms);
      case ABSOLUTE -> backend.accumulateAbs(state, terms);
      case SQUARE -> backend.accumulateSquare(state, terms);
    }
  }

  @Test
  void smallIntegersAreExact() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor x = Tensor.copyOf(arena, Shape.of(3), -2, 0, 3);
      float[][] expected = {{-200, 0, 300}, {200, 0, 300}, {400, 0, 900}};
      for (Accumulate.Kind kind : Accumulate.Kind.values()) {
        DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(3));
        for (int i = 0; i < 100; i++) {
          add(backend, state, x, kind);
        }
        assertEquals(100, state.count());
        assertEquals(36, state.phase());
        Tensor out = Tensor.zeros(arena, 3);
        state.value(out);
        for (int j = 0; j < 3; j++) {
          assertEquals(expected[kind.ordinal()][j], out.get(j));
          assertEquals(expected[kind.ordinal()][j] * 64 / 100, state.sum().get(j));
        }
        state.clear();
        state.value(out);
        assertEquals(0, state.count());
        assertEquals(0, out.get(2));
      }
    }
  }

  /** The project's bound on drift; a plain float sum of the same data misses it. */
  @Test
  void sixtyThousandTermsStayWithinBound() {
    int terms = 60_000;
    int n = 67;
    double bound = 1e-5;
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      for (Accumulate.Kind kind : Accumulate.Kind.values()) {
        KernelTest.Values normal = KernelTest.normal(kind.ordinal());
        DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(n));
        Tensor x = Tensor.zeros(arena, n);
        float[] plain = new float[n];
        double[] exact = new double[n];
        for (int i = 0; i < terms; i++) {
          for (int j = 0; j < n; j++) {
            // The mean keeps plain sums from cancelling; element 0 is the worst case, a constant.
            x.set(j, j == 0 ? 0.1f : 0.3f + normal.next() / 4);
            plain[j] += kind.of(x.get(j));
            exact[j] +=
                kind == Accumulate.Kind.SQUARE ? (double) x.get(j) * x.get(j) : kind.of(x.get(j));
          }
          add(backend, state, x, kind);
        }
        Tensor out = Tensor.zeros(arena, n);
        state.value(out);
        double worst = 0;
        double worstPlain = 0;
        for (int j = 0; j < n; j++) {
          worst = Math.max(worst, Math.abs(out.get(j) - exact[j]) / Math.abs(exact[j]));
          worstPlain = Math.max(worstPlain, Math.abs(plain[j] - exact[j]) / Math.abs(exact[j]));
        }
        assertTrue(worst <= bound, kind + ": relative error " + worst);
        assertTrue(worstPlain > bound, kind + ": a plain sum would do, error " + worstPlain);
      }
    }
  }

  @Test
  void agreesWithPlainJavaBitForBit() {
    for (Accumulate.Kind kind : Accumulate.Kind.values()) {
      for (int size : KernelTest.SIZES) {
        for (int threads = 1; threads <= 3; threads++) {
          compare(kind, size, threads);
        }
      }
    }
  }

  private static void compare(Accumulate.Kind kind, int size, int threads) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(threads).open()) {
      DriftFreeSum want = DriftFreeSum.zeros(arena, Shape.of(size));
      DriftFreeSum got = DriftFreeSum.zeros(arena, Shape.of(size));
      for (int rows : new int[] {0, 1, 5, 57, 1, 64, 70}) {
        KernelTest.Guarded x =
            KernelTest.guarded(arena, (long) rows * size, KernelTest.normal(rows));
        Tensor batch = x.tensor().reshape(Shape.of(rows, size));
        Accumulate.reference(want, batch, kind);
        add(backend, got, batch, kind);
        KernelTest.assertBitwise(want.sum(), got.sum());
        KernelTest.assertBitwise(want.rest(), got.rest());
        assertEquals(want.count(), got.count());
        x.assertUntouched();
      }
      assertTrue(size == 0 || got.rest().get(0) != 0, "the test leaves no rest");
    }
  }

  @Test
  void splitsOfABatchLeaveTheSameBits() {
    int rows = 200;
    int n = 129;
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Tensor all = KernelTest.guarded(arena, (long) rows * n, KernelTest.normal(7)).tensor();
      DriftFreeSum whole = DriftFreeSum.zeros(arena, Shape.of(n));
      backend.accumulateSquare(whole, all.reshape(Shape.of(rows, n)));
      for (int part : new int[] {1, 3, 63, 64, 65, 199}) {
        DriftFreeSum split = DriftFreeSum.zeros(arena, Shape.of(n));
        for (int row = 0; row < rows; row += part) {
          int size = Math.min(part, rows - row);
          backend.accumulateSquare(split, all.slice((long) row * n, Shape.of(size, n)));
        }
        KernelTest.assertBitwise(whole.sum(), split.sum());
        KernelTest.assertBitwise(whole.rest(), split.rest());
      }
    }
  }

  @Test
  void nonFiniteTermsStayVisible() {
    float[] odd = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      for (float value : odd) {
        DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(2));
        backend.accumulate(state, Tensor.copyOf(arena, Shape.of(2), value, 1));
        Tensor out = Tensor.zeros(arena, 2);
        for (int i = 0; i < 200; i++) {
          backend.accumulate(state, Tensor.copyOf(arena, Shape.of(2), 1, 1));
          state.value(out);
          assertFalse(Float.isFinite(out.get(0)));
        }
        assertEquals(201, out.get(1));
      }
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(2, 3));
      for (Shape wrong :
          new Shape[] {Shape.of(6), Shape.of(3, 2), Shape.of(4, 3, 2), Shape.of(1, 1, 2, 3)}) {
        Tensor terms = Tensor.zeros(arena, wrong);
        assertThrows(IllegalArgumentException.class, () -> backend.accumulate(state, terms));
        assertThrows(IllegalArgumentException.class, () -> state.value(terms));
      }
      assertThrows(
          IllegalArgumentException.class, () -> backend.accumulateAbs(state, state.rest()));
      assertThrows(
          IllegalArgumentException.class, () -> backend.accumulateSquare(state, state.sum()));
      assertThrows(IllegalArgumentException.class, () -> state.value(state.sum()));
      Arena closed = Arena.ofConfined();
      Tensor gone = Tensor.zeros(closed, 2, 3);
      DriftFreeSum goneState = DriftFreeSum.zeros(closed, Shape.of(2, 3));
      closed.close();
      assertThrows(IllegalStateException.class, () -> backend.accumulate(state, gone));
      assertThrows(
          IllegalStateException.class,
          () -> backend.accumulate(goneState, Tensor.zeros(arena, 2, 3)));
      assertEquals(0, state.count());
    }
  }
}
