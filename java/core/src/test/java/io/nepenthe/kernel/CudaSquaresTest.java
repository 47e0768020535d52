package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.TwinSum;
import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** Squared sample gradients lie within the bound of float64, under every schedule. */
class CudaSquaresTest {
  static Convolution window(Board board) {
    int kernel = board.random().nextInt(1, 4);
    Window window = Window.square(kernel).withStride(board.random().nextInt(1, 3));
    if (kernel > 1) {
      window =
          window
              .withDilation(board.random().nextInt(1, 3))
              .withPadding(board.random().nextInt(kernel), 0, 1, board.random().nextInt(kernel));
    }
    return window.convolution(board.pick(1, 2, 3));
  }

  /** Rounded factors: each product is off by two unit roundoffs, and so twice that its square. */
  static double steps(long positions, Strategy strategy, Precision precision) {
    double rounding = precision == Precision.FP32 ? 0 : 5 * precision.unitRoundoff() * 0x1p24;
    return SquareGradients.steps(positions, strategy) + rounding;
  }

  static Tensor value(Board board, DriftFreeSum state) {
    Tensor out = Tensor.zeros(board.arena(), state.shape());
    state.value(out);
    return out;
  }

  private static void convolutions(Precision precision) {
    everySchedule(
        precision,
        board -> {
          Convolution convolution = window(board);
          int groups = convolution.groups();
          long channels = groups * board.pick(1, 3, 8);
          long outputs = groups * board.pick(2, 5, 33, 1);
          int samples = board.pick(1, 2, 3);
          Tensor input = board.normal(samples, board.pick(5, 6), 6, channels);
          Window w = convolution.window();
          Tensor gradient =
              board.normal(
                  samples, w.outputHeight(input.shape().size(1)), w.outputWidth(6), outputs);
          compare(board, precision, convolution, input, gradient);
        });
  }

  private static void compare(
      Board board, Precision precision, Convolution convolution, Tensor input, Tensor gradient) {
    Shape weights = convolution.weights(input.shape().size(3), gradient.shape().size(3));
    TwinSum state = new TwinSum(board, weights);
    Tensor x = board.twin(input).device;
    Tensor g = board.twin(gradient).device;
    board.cuda().squareGradients(convolution, x, g, state.device, Strategy.PRODUCTS);
    SquareGradients.Reference want =
        SquareGradients.reference(convolution, input, gradient, weights);
    long positions = gradient.shape().size(1) * gradient.shape().size(2);
    KernelTest.assertWithin(
        want.sum(),
        want.magnitude(),
        steps(positions, Strategy.PRODUCTS, precision),
        value(board, state.device));
    state.rest.now();
    if (precision == Precision.FP32) {
      plain(board, convolution, input, gradient, weights, want);
    }
  }

  /** Aligned channels in fours are loaded four at once: over the edges of image, groups, tiles. */
  @Test
  void channelsInFours() {
    for (Precision precision : Precision.values()) {
      everySchedule(
          precision,
          board -> {
            int groups = board.pick(1, 2);
            long channels = groups * board.pick(4, 8, 20);
            long outputs = groups * board.pick(12, 4, 68, 8);
            Window window =
                board.seed() % 5 == 0
                    ? Window.square(1)
                    : Window.square(3)
                        .withStride(board.pick(1, 2, 1))
                        .withPadding(board.pick(1, 0, 2));
            Tensor input = board.normal(2, 5, 6, channels);
            Tensor gradient =
                board.normal(2, window.outputHeight(5), window.outputWidth(6), outputs);
            compare(board, precision, window.convolution(groups), input, gradient);
          });
    }
  }

  private static void plain(
      Board board,
      Convolution convolution,
      Tensor input,
      Tensor gradient,
      Shape weights,
      SquareGradients.Reference want) {
    TwinSum state = new TwinSum(board, weights);
    LayerGeometry call = SquareGradients.convolution(convolution, input, gradient, state.host);
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", weights, 0, 0)) {
      long[] pointers = {
        op.read(input),
        op.read(gradient),
        op.update(state.sum.device),
        op.update(state.rest.device),
        0
      };
      CudaSquares.launch(
          op,
          "nep_square_gradients_plain",
          new CudaDriver.Grid(
              context.allBlocks("nep_square_gradients_plain", weights.elements()), 1, 1),
          pointers,
          call,
          0,
          Strategy.PRODUCTS);
    }
    double steps = SquareGradients.steps(call.positions(), Strategy.PRODUCTS);
    KernelTest.assertWithin(want.sum(), want.magnitude(), steps, value(board, state.device));
  }

  @Test
  void convolutionsInFp32() {
    convolutions(Precision.FP32);
  }

  @Test
  void convolutionsInTf32() {
    convolutions(Precision.TF32);
  }

  @Test
  void convolutionsInBf16() {
    convolutions(Precision.BF16);
  }

  @Test
  void linearLayersOverSeveralTilesAndPeriods() {
    for (Precision precision : Precision.values()) {
      everySchedule(
          precision,
          board -> {
            int outputs = board.pick(1, 10, 65, 7);
            int inputs = board.pick(3, 66, 1);
            int samples = outputs * inputs > 200 ? 3 : board.pick(1, 63, 70, 5);
            Tensor input = board.normal(samples, inputs);
            Tensor gradient = board.normal(samples, outputs);
            Shape weights = Shape.of(outputs, inputs);
            Strategy strategy = board.seed() % 2 == 0 ? Strategy.PAIRS : Strategy.PRODUCTS;
            TwinSum state = new TwinSum(board, weights);
            for (int call = 0; call < 2; call++) {
              board.cuda().squareGradients(input, gradient, state.device, strategy);
            }
            assertEquals(2 * samples, state.device.count());
            SquareGradients.Reference want = SquareGradients.reference(input, gradient, weights);
            double[] sum = doubled(want.sum());
            double[] magnitude = doubled(want.magnitude());
            double steps = steps(1, strategy, precision);
            KernelTest.assertWithin(sum, magnitude, steps, value(board, state.device));
          });
    }
  }

  static double[] doubled(double[] values) {
    double[] result = values.clone();
    for (int i = 0; i < result.length; i++) {
      result[i] *= 2;
    }
    return result;
  }

  @Test
  void smallIntegersAreExactInEveryPrecision() {
    for (Precision precision : Precision.values()) {
      try (CudaBackend cuda = CudaTest.emulated(3, precision);
          var arena = java.lang.foreign.Arena.ofConfined()) {
        KernelTest.Values integers = KernelTest.integers(5, 2);
        Tensor input = Tensor.zeros(arena, 3, 4, 5, 6);
        Tensor gradient = Tensor.zeros(arena, 3, 4, 5, 7);
        for (Tensor tensor : new Tensor[] {input, gradient}) {
          for (long i = 0; i < tensor.elements(); i++) {
            tensor.set(i, integers.next());
          }
        }
        Convolution convolution = Window.square(3).withPadding(1).convolution(1);
        Shape weights = convolution.weights(6, 7);
        DriftFreeSum state =
            DriftFreeSum.of(cuda.zeros(arena, weights), cuda.zeros(arena, weights));
        cuda.squareGradients(convolution, input, gradient, state);
        SquareGradients.Reference want =
            SquareGradients.reference(convolution, input, gradient, weights);
        Tensor value = Tensor.zeros(arena, weights);
        state.value(value);
        KernelTest.assertWithin(want.sum(), want.magnitude(), 0, value);
      }
    }
  }

  @Test
  void biasesAndScales() {
    everySchedule(
        Precision.FP32,
        board -> {
          int channels = board.pick(1, 31, 33, 70);
          int samples = board.pick(1, 3, 66, 33, 64);
          Shape shape = Shape.of(samples, board.pick(1, 3), board.pick(2, 5), channels);
          Tensor gradient = board.normal(shape.size(0), shape.size(1), shape.size(2), channels);
          Tensor normalised = board.normal(shape.size(0), shape.size(1), shape.size(2), channels);
          Tensor ones = Tensor.zeros(board.arena(), shape);
          for (long i = 0; i < ones.elements(); i++) {
            ones.set(i, 1);
          }
          double steps = SquareGradients.steps(shape.size(1) * shape.size(2), Strategy.PRODUCTS);
          TwinSum bias = new TwinSum(board, Shape.of(channels));
          board.cuda().squareBiasGradients(board.twin(gradient).device, bias.device);
          SquareGradients.Reference want =
              SquareVectorGradients.reference(ones, gradient, channels);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, value(board, bias.device));
          TwinSum scale = new TwinSum(board, Shape.of(channels));
          board.cuda().squareScaleGradients(board.twin(normalised).device, gradient, scale.device);
          want = SquareVectorGradients.reference(normalised, gradient, channels);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, value(board, scale.device));
          splitting(board, gradient, bias);
        });
  }

  /** The bits do not depend on how a batch is split. */
  private static void splitting(Board board, Tensor gradient, TwinSum whole) {
    long samples = gradient.shape().size(0);
    long each = gradient.elements() / samples;
    long channels = gradient.shape().size(3);
    TwinSum parts = new TwinSum(board, Shape.of(channels));
    long first = samples / 3;
    for (long[] range : new long[][] {{0, first}, {first, samples}}) {
      Shape part = Shape.of(range[1] - range[0], each / channels, channels);
      board.cuda().squareBiasGradients(gradient.slice(range[0] * each, part), parts.device);
    }
    KernelTest.assertBitwise(whole.sum.now(), parts.sum.now());
    KernelTest.assertBitwise(whole.rest.now(), parts.rest.now());
  }

  @Test
  void embeddings() {
    everySchedule(
        Precision.FP32,
        board -> {
          int samples = board.pick(1, 4, 67);
          int positions = board.pick(1, 5, 9, 40);
          int columns = board.pick(1, 7, 130);
          MemorySegment tokens =
              board.arena().allocate((long) samples * positions * Integer.BYTES, Integer.BYTES);
          for (int i = 0; i < samples * positions; i++) {
            tokens.setAtIndex(ValueLayout.JAVA_INT, i, board.random().nextInt(-1, 4));
          }
          tokens.setAtIndex(ValueLayout.JAVA_INT, 0, 2);
          Tensor gradient = board.normal(samples, positions, columns);
          TwinSum state = new TwinSum(board, Shape.of(4, columns));
          board.cuda().squareEmbeddingGradients(tokens, gradient, state.device);
          SquareGradients.Reference want =
              SquareVectorGradients.referenceEmbedding(tokens, gradient, 4);
          KernelTest.assertWithin(
              want.sum(),
              want.magnitude(),
              SquareGradients.steps(positions, Strategy.PRODUCTS),
              value(board, state.device));
        });
  }
}
