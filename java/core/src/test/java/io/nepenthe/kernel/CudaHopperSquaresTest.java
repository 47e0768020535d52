package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaSquaresTest.doubled;
import static io.nepenthe.kernel.CudaSquaresTest.steps;
import static io.nepenthe.kernel.CudaSquaresTest.value;
import static io.nepenthe.kernel.CudaSquaresTest.window;
import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.TwinSum;
import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Squared sample gradients by wgmma lie within the bound of float64, under every schedule. */
class CudaHopperSquaresTest {
  private static void add(
      Board board,
      Precision precision,
      LayerGeometry call,
      Tensor input,
      Tensor gradient,
      DriftFreeSum state,
      CudaSquares.Instructions instructions) {
    CudaSquares.weights(
        board.cuda().context(),
        precision,
        call,
        input,
        gradient,
        state,
        Strategy.PRODUCTS,
        instructions);
  }

  private static void assumeHopper() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.BF16)) {
      Assumptions.assumeTrue(
          cuda.context().driver().capability() == CudaHopperSquares.CAPABILITY,
          "the device has no wgmma: its compute capability is not 9.0");
    }
  }

  /**
   * Windows with gaps, strides, padding and groups; pieces, tiles, batches and bands that are not
   * full.
   */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "TF32"})
  void convolutions(Precision precision) {
    assumeHopper();
    everySchedule(
        precision,
        board -> {
          Convolution convolution = window(board);
          int groups = convolution.groups();
          long channels = groups * board.pick(3, 8, 33);
          long outputs = groups * board.pick(2, 33, 8, 65);
          int samples = board.pick(1, 3, 2, 5);
          Tensor input = board.normal(samples, 5, board.pick(5, 6, 7), channels);
          Window w = convolution.window();
          Tensor gradient =
              board.normal(
                  samples,
                  w.outputHeight(input.shape().size(1)),
                  w.outputWidth(input.shape().size(2)),
                  outputs);
          assertRight(board, precision, convolution, input, gradient);
        });
  }

  /**
   * Rows that fill several stages, and so many channels that a window of one pixel takes two tiles.
   */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "TF32"})
  void largeLayers(Precision precision) {
    assumeHopper();
    everySchedule(
        precision,
        board -> {
          boolean point = board.seed() % 2 == 0;
          Convolution convolution =
              (point ? Window.square(1) : Window.square(3).withPadding(1)).convolution(1);
          Tensor input = point ? board.normal(2, 12, 16, 290) : board.normal(2, 13, 32, 9);
          Tensor gradient = point ? board.normal(2, 12, 16, 7) : board.normal(2, 13, 32, 5);
          CudaHopperSquares cut = assertRight(board, precision, convolution, input, gradient);
          assertTrue(cut.band() < (point ? 12 * 16 : 13));
        });
  }

  /** Added twice, its result is within the bound. */
  private static CudaHopperSquares assertRight(
      Board board, Precision precision, Convolution convolution, Tensor input, Tensor gradient) {
    Shape weights = convolution.weights(input.shape().size(3), gradient.shape().size(3));
    TwinSum state = new TwinSum(board, weights);
    LayerGeometry call = SquareGradients.convolution(convolution, input, gradient, state.host);
    Tensor x = board.twin(input).device;
    Tensor g = board.twin(gradient).device;
    for (int round = 0; round < 2; round++) {
      add(board, precision, call, x, g, state.device, CudaSquares.Instructions.WGMMA);
    }
    assertEquals(2 * call.samples(), state.device.count());
    SquareGradients.Reference want =
        SquareGradients.reference(convolution, input, gradient, weights);
    KernelTest.assertWithin(
        doubled(want.sum()),
        doubled(want.magnitude()),
        steps(call.positions(), Strategy.PRODUCTS, precision),
        value(board, state.device));
    state.rest.now();
    return CudaHopperSquares.of(precision, call).orElseThrow();
  }

  /**
   * Over a fold of the drift-free sum within a run, and in several runs: whatever the schedule, the
   * same bits.
   */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "TF32"})
  void theSameBitsUnderEverySchedule(Precision precision) {
    assumeHopper();
    List<int[]> first = new ArrayList<>();
    everySchedule(
        precision,
        board -> {
          KernelTest.Values normal = KernelTest.normal(7);
          Tensor[] operands = {
            Tensor.zeros(board.arena(), 66, 2, 3, 9), Tensor.zeros(board.arena(), 66, 2, 3, 6)
          };
          for (Tensor tensor : operands) {
            for (long i = 0; i < tensor.elements(); i++) {
              tensor.set(i, normal.next());
            }
          }
          Convolution convolution = Window.square(3).withPadding(1).convolution(1);
          TwinSum state = new TwinSum(board, convolution.weights(9, 6));
          LayerGeometry call =
              SquareGradients.convolution(convolution, operands[0], operands[1], state.host);
          for (int round = 0; round < 2; round++) {
            add(
                board,
                precision,
                call,
                operands[0],
                operands[1],
                state.device,
                CudaSquares.Instructions.WGMMA);
          }
          for (Tensor part : new Tensor[] {state.sum.now(), state.rest.now()}) {
            int[] bits = new int[Math.toIntExact(part.elements())];
            Arrays.setAll(bits, i -> Float.floatToRawIntBits(part.get(i)));
            first.add(bits);
            assertArrayEquals(first.get((first.size() - 1) % 2), bits);
          }
        });
  }

  /** Where a product is of one term, nothing but the rounding of the factors shows. */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "TF32"})
  void roundsAsTheOtherInstructionsDo(Precision precision) {
    assumeHopper();
    everySchedule(
        precision,
        board -> {
          Tensor input = board.normal(1, board.pick(9, 33, 290));
          Tensor gradient = board.normal(1, board.pick(3, 66));
          input.set(0, 1 + 0x1p-11f); // ties, of TF32 and of bfloat16
          gradient.set(0, 1 + 0x1p-8f);
          Shape weights = Shape.of(gradient.elements(), input.elements());
          List<Tensor> rests = new ArrayList<>();
          for (CudaSquares.Instructions instructions : CudaSquares.Instructions.values()) {
            TwinSum state = new TwinSum(board, weights);
            LayerGeometry call = SquareGradients.linear(input, gradient, state.host);
            assertTrue(CudaHopperSquares.of(precision, call).isPresent());
            add(board, precision, call, input, gradient, state.device, instructions);
            rests.add(state.rest.now());
          }
          KernelTest.assertBitwise(rests.get(0), rests.get(1));
        });
  }

  /** Rows that two stages cannot hold, and larger windows, are left to the other kernel. */
  @Test
  void whatItIsNotFor() {
    Window three = Window.square(3).withPadding(1);
    assertTrue(layer(Precision.BF16, Window.square(4), 8, 8).isEmpty());
    assertTrue(layer(Precision.BF16, three, 3, 1024).isEmpty());
    assertTrue(layer(Precision.TF32, three, 3, 81).isEmpty());
    assertTrue(layer(Precision.TF32, three, 3, 80).isPresent());
    assertTrue(layer(Precision.FP32, three, 4, 4).isEmpty());
    assertEquals(List.of(2, 1, 8), cut(layer(Precision.BF16, three, 32, 32)));
    assertEquals(List.of(2, 1, 4), cut(layer(Precision.TF32, three, 32, 32)));
    assertEquals(List.of(4, 4, 4), cut(layer(Precision.BF16, three, 4, 4)));
    assertEquals(List.of(4, 4, 4), cut(layer(Precision.TF32, three, 4, 4)));
  }

  private static List<Integer> cut(Optional<CudaHopperSquares> layer) {
    CudaHopperSquares it = layer.orElseThrow();
    return List.of(it.stages(), it.batch(), it.band());
  }

  private static Optional<CudaHopperSquares> layer(
      Precision precision, Window window, int height, int width) {
    return CudaHopperSquares.of(
        precision,
        new LayerGeometry(
            window.convolution(1),
            256,
            height,
            width,
            64,
            window.outputHeight(height),
            window.outputWidth(width),
            64));
  }

  @Test
  void aPropertyChoosesTheInstructions() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.BF16)) {
      CudaDriver driver = cuda.context().driver();
      assertEquals(CudaSquares.Instructions.MMA, CudaSquares.chosen(driver));
      System.setProperty(CudaSquares.PROPERTY, "some");
      CudaException seen = assertThrows(CudaException.class, () -> CudaSquares.chosen(driver));
      assertEquals("-Dnepenthe.cuda.squares=some: expected mma or wgmma", seen.getMessage());
      Assumptions.assumeTrue(driver.capability() == CudaHopperSquares.CAPABILITY);
      System.setProperty(CudaSquares.PROPERTY, "wgmma");
      assertEquals(CudaSquares.Instructions.WGMMA, CudaSquares.chosen(driver));
    } finally {
      System.clearProperty(CudaSquares.PROPERTY);
    }
  }

  @Test
  void kernelsOfAnOlderCompilerAreNotTrustedWithWgmma() {
    for (String wrong : List.of("0", "12.8.93", "12.9.999", "13.0.48", "13.0.87")) {
      assertTrue(CudaKernels.isWrongForWgmma(wrong), wrong);
    }
    for (String right : List.of("13.0.88", "13.1.0", "14.0.1")) {
      assertFalse(CudaKernels.isWrongForWgmma(right), right);
    }
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    assertNotEquals(Optional.of("0"), CudaKernels.wrongForWgmma(), "the build says what it was");
  }
}
