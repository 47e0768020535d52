package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The emulator that checks nothing gives the bits of the one that checks everything. */
class CudaUncheckedTest {
  @AfterEach
  void checkAgain() {
    System.clearProperty(EmulatedDriver.CHECKS_PROPERTY);
  }

  /**
   * Barriers of both kinds, asynchronous copies, shuffles, matrix instructions, atomics, two
   * stages.
   */
  private static float[] work(boolean checked, Precision precision) {
    System.setProperty(EmulatedDriver.CHECKS_PROPERTY, "" + checked);
    try (CudaBackend cuda = CudaTest.emulated(1, precision);
        Arena arena = Arena.ofConfined()) {
      String library = cuda.describe();
      assertEquals(checked, !library.contains("libnepenthe-emulator-unchecked.so"), library);
      var sizes = new Affine.Convolution(3, 9, 7, 4, 5, Window.square(3).withPadding(1), 1, false);
      KernelTest.Values normal = KernelTest.normal(5);
      Tensor x = filled(cuda, arena, sizes.input(), normal);
      Tensor weights = filled(cuda, arena, sizes.weights(), normal);
      Tensor y = cuda.zeros(arena, sizes.output());
      Tensor dx = cuda.zeros(arena, sizes.input());
      try (AffinePlan plan = cuda.dense().plan(sizes)) {
        plan.forward(x, weights, cuda.zeros(arena, Shape.of(0)), y);
        plan.inputGradient(y, weights, dx, false);
      }
      MaskStack masks = MaskStack.zeros(arena, 1, List.of(dx.shape()));
      cuda.selectTop(List.of(dx), masks, 0.5);
      Tensor velocity = filled(cuda, arena, sizes.input(), normal);
      cuda.maskedSgd(dx, velocity, x, masks.mask(0).part(0), MaskedSgd.Options.of(0.1f, 0.9f, 0));
      Tensor rows = dx.reshape(Shape.of(3 * 9 * 7, 4));
      LossTerm term = new LossTerm(1, 1, LossSum.zero(arena, cuda));
      cuda.objectives().crossEntropy(rows, new int[3 * 9 * 7], term, rows);
      Tensor squares = cuda.zeros(arena, weights.shape());
      DriftFreeSum sum = DriftFreeSum.of(cuda.zeros(arena, weights.shape()), squares);
      CudaSquares.weights(
          cuda.context(),
          precision,
          SquareGradients.convolution(Window.square(3).withPadding(1).convolution(1), x, y, sum),
          x,
          y,
          sum,
          SquareGradients.Strategy.PRODUCTS,
          CudaSquares.Instructions.WGMMA);
      Tensor result = Tensor.zeros(arena, dx.elements() + squares.elements());
      result.slice(0, dx.shape()).copyFrom(dx);
      result.slice(dx.elements(), squares.shape()).copyFrom(squares);
      return result.toArray();
    }
  }

  private static Tensor filled(
      CudaBackend cuda, Arena arena, Shape shape, KernelTest.Values values) {
    Tensor host = Tensor.zeros(arena, shape);
    for (long i = 0; i < shape.elements(); i++) {
      host.set(i, values.next());
    }
    Tensor device = cuda.zeros(arena, shape);
    device.copyFrom(host);
    return device;
  }

  @Test
  void itGivesTheSameBits() {
    for (Precision precision : Precision.values()) {
      float[] want = work(true, precision);
      float[] got = work(false, precision);
      assertArrayEquals(want, got, precision.name());
      assertTrue(want[0] != 0 && want[want.length - 1] != 0, precision.name());
    }
  }

  @Test
  void anUnknownValueIsAnError() {
    System.setProperty(EmulatedDriver.CHECKS_PROPERTY, "some");
    CudaException e = assertThrows(CudaException.class, EmulatedDriver::packaged);
    assertEquals("-Dnepenthe.cuda.emulated.checks=some: expected true or false", e.getMessage());
  }
}
