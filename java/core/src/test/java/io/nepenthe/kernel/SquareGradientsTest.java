package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SquareGradientsTest {
  /** A random convolution, its data between guards, and a guarded accumulator. */
  private static final class Case {
    final Convolution convolution;
    final KernelTest.Guarded input;
    final KernelTest.Guarded gradient;
    final Shape inputShape;
    final Shape gradientShape;
    final Shape weights;
    final long positions;

    Case(
        Arena arena,
        Convolution convolution,
        Shape inputShape,
        long outputs,
        KernelTest.Values values) {
      this.convolution = convolution;
      this.inputShape = inputShape;
      long height = convolution.window().outputHeight(inputShape.size(1));
      long width = convolution.window().outputWidth(inputShape.size(2));
      positions = height * width;
      gradientShape = Shape.of(inputShape.size(0), height, width, outputs);
      weights = convolution.weights(inputShape.size(3), outputs);
      input = KernelTest.guarded(arena, inputShape.elements(), values);
      gradient = KernelTest.guarded(arena, gradientShape.elements(), values);
    }

    static Case random(Arena arena, SplittableRandom random, KernelTest.Values values) {
      int dilation = random.nextInt(1, 3);
      int kernelHeight = random.nextInt(1, 4);
      int kernelWidth = random.nextInt(1, 4);
      int reachHeight = Math.min(3, dilation * (kernelHeight - 1) + 1);
      int reachWidth = Math.min(3, dilation * (kernelWidth - 1) + 1);
      Window window =
          Window.of(kernelHeight, kernelWidth)
              .withStride(random.nextInt(1, 4))
              .withDilation(dilation)
              .withPadding(
                  random.nextInt(reachHeight),
                  random.nextInt(reachWidth),
                  random.nextInt(reachHeight),
                  random.nextInt(reachWidth));
      boolean depthwise = random.nextInt(6) == 0;
      int groups =
          depthwise ? random.nextInt(2, 40) : random.nextInt(3) == 0 ? random.nextInt(2, 4) : 1;
      long height = random.nextInt(5, 9);
      long width = random.nextInt(5, 9);
      long channels = groups * (depthwise ? 1 : random.nextInt(1, 20));
      long outputs = groups * (depthwise ? 1 : random.nextInt(1, 20));
      Shape shape = Shape.of(random.nextInt(1, 5), height, width, channels);
      return new Case(arena, window.convolution(groups), shape, outputs, values);
    }

    Tensor input() {
      return input.tensor().reshape(inputShape);
    }

    Tensor gradient() {
      return gradient.tensor().reshape(gradientShape);
    }

    SquareGradients.Reference reference() {
      return SquareGradients.reference(convolution, input(), gradient(), weights);
    }

    /** The samples [from, to) added to {@code state}. */
    void add(Backend backend, DriftFreeSum state, long from, long to, Strategy strategy) {
      backend.squareGradients(
          convolution, samples(input(), from, to), samples(gradient(), from, to), state, strategy);
    }

    void assertUntouched() {
      input.assertUntouched();
      gradient.assertUntouched();
    }
  }

  private static Tensor samples(Tensor all, long from, long to) {
    Shape shape = all.shape();
    long each = shape.size(1) * shape.size(2) * shape.size(3);
    return all.slice(from * each, Shape.of(to - from, shape.size(1), shape.size(2), shape.size(3)));
  }

  private static Tensor value(Arena arena, DriftFreeSum state) {
    Tensor out = Tensor.zeros(arena, state.shape());
    state.value(out);
    return out;
  }

  @Property(tries = 250)
  void agreesWithBruteForce(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      Case some = Case.random(arena, random, KernelTest.normal(seed));
      SquareGradients.Reference reference = some.reference();
      for (Strategy strategy : strategies(some.positions)) {
        DriftFreeSum state = DriftFreeSum.zeros(arena, some.weights);
        some.add(backend, state, 0, some.inputShape.size(0), strategy);
        KernelTest.assertWithin(
            reference.sum(),
            reference.magnitude(),
            SquareGradients.steps(some.positions, strategy),
            value(arena, state));
      }
      some.assertUntouched();
    }
  }

  @Property(tries = 100)
  void isExactOnSmallIntegers(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Case some = Case.random(arena, random, KernelTest.integers(seed, 2));
      SquareGradients.Reference reference = some.reference();
      for (Strategy strategy : strategies(some.positions)) {
        DriftFreeSum state = DriftFreeSum.zeros(arena, some.weights);
        some.add(backend, state, 0, some.inputShape.size(0), strategy);
        KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, value(arena, state));
      }
    }
  }

  private static List<Strategy> strategies(long positions) {
    return positions <= 8 ? List.of(Strategy.PRODUCTS, Strategy.PAIRS) : List.of(Strategy.PRODUCTS);
  }

  @Property(tries = 60)
  void bitsDependNeitherOnThreadsNorOnSplitting(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long samples = 150;
    long cut = random.nextInt(1, 150);
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend two = Device.cpu(2).open();
        Backend three = Device.cpu(3).open()) {
      long size = random.nextInt(1, 5);
      Shape shape = Shape.of(samples, size, size, random.nextInt(1, 70));
      Case some =
          new Case(
              arena,
              Window.square(random.nextInt(2, 4)).withPadding(1).convolution(1),
              shape,
              random.nextInt(1, 40),
              KernelTest.normal(seed));
      for (Strategy strategy : strategies(some.positions)) {
        DriftFreeSum whole = DriftFreeSum.zeros(arena, some.weights);
        some.add(one, whole, 0, samples, strategy);
        for (Backend backend : List.of(two, three)) {
          DriftFreeSum parts = DriftFreeSum.zeros(arena, some.weights);
          some.add(backend, parts, 0, cut, strategy);
          some.add(backend, parts, cut, samples, strategy);
          KernelTest.assertBitwise(whole.sum(), parts.sum());
          KernelTest.assertBitwise(whole.rest(), parts.rest());
          assertEquals(samples, parts.count());
        }
      }
    }
  }

  @Test
  void tileEdges() {
    // Rows and columns around every tile, with one and several positions.
    int[] edges = {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 97};
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      for (int inputs : edges) {
        for (int outputs : edges) {
          for (int positions : new int[] {1, 3}) {
            Tensor input = tensor(arena, inputs, Shape.of(2, positions, inputs));
            Tensor gradient = tensor(arena, outputs, Shape.of(2, positions, outputs));
            for (Strategy strategy : Strategy.values()) {
              KernelTest.Guarded sum = KernelTest.guarded(arena, (long) outputs * inputs, () -> 0);
              KernelTest.Guarded rest = KernelTest.guarded(arena, (long) outputs * inputs, () -> 0);
              DriftFreeSum state =
                  DriftFreeSum.of(
                      sum.tensor().reshape(Shape.of(outputs, inputs)),
                      rest.tensor().reshape(Shape.of(outputs, inputs)));
              backend.squareGradients(input, gradient, state, strategy);
              SquareGradients.Reference reference =
                  SquareGradients.reference(input, gradient, Shape.of(outputs, inputs));
              KernelTest.assertWithin(
                  reference.sum(), reference.magnitude(), 0, value(arena, state));
              sum.assertUntouched();
              rest.assertUntouched();
            }
          }
        }
      }
    }
  }

  private static Tensor tensor(Arena arena, long seed, Shape shape) {
    Tensor tensor = Tensor.zeros(arena, shape);
    KernelTest.Values values = KernelTest.integers(seed, 3);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, values.next());
    }
    return tensor;
  }

  @Test
  void positionsBeyondOnePackedPiece() {
    // More positions than the packed input holds (1,365 rows of 48 columns), so a sample's product
    // comes in pieces.
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Case some =
          new Case(
              arena,
              Window.square(3).withPadding(1).convolution(1),
              Shape.of(2, 61, 97, 6),
              11,
              KernelTest.integers(5, 1));
      SquareGradients.Reference reference = some.reference();
      DriftFreeSum state = DriftFreeSum.zeros(arena, some.weights);
      some.add(backend, state, 0, 2, Strategy.PRODUCTS);
      KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, value(arena, state));
    }
  }

  @Test
  void sixtyThousandSamplesDoNotDrift() {
    long n = 60_000;
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      KernelTest.Values values = KernelTest.normal(1);
      Tensor input = Tensor.zeros(arena, n, 5);
      Tensor gradient = Tensor.zeros(arena, n, 3);
      for (long i = 0; i < input.elements(); i++) {
        input.set(i, values.next());
      }
      for (long i = 0; i < gradient.elements(); i++) {
        gradient.set(i, 1 + 0.1f * values.next());
      }
      DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(3, 5));
      backend.squareGradients(input, gradient, state);
      SquareGradients.Reference reference =
          SquareGradients.reference(input, gradient, Shape.of(3, 5));
      Tensor got = value(arena, state);
      for (int i = 0; i < 15; i++) {
        double error = Math.abs(got.get(i) - reference.sum()[i]) / reference.sum()[i];
        assertTrue(error <= 1e-5, "relative error " + error);
      }
    }
  }

  @Test
  void workspaceDoesNotGrowWithSamples() {
    try (Arena arena = Arena.ofConfined();
        Workspace workspace = new Workspace()) {
      long[] bytes = new long[2];
      for (int i = 0; i < 2; i++) {
        long samples = i == 0 ? 1 : 500;
        Tensor input = Tensor.zeros(arena, samples, 8, 8, 16);
        Tensor gradient = Tensor.zeros(arena, samples, 8, 8, 32);
        Convolution convolution = Window.square(3).withPadding(1).convolution(1);
        SquareGradients.cpu(
            LayerGeometry.convolution(convolution, input, gradient),
            input,
            gradient,
            DriftFreeSum.zeros(arena, Shape.of(32, 3, 3, 16)),
            Strategy.PRODUCTS,
            workspace,
            2);
        bytes[i] = workspace.bytes();
      }
      assertEquals(bytes[0], bytes[1]);
    }
  }

  @Test
  void emptyBatchesAndLayersChangeNothing() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(3, 4));
      backend.squareGradients(Tensor.zeros(arena, 0, 4), Tensor.zeros(arena, 0, 3), state);
      assertEquals(0, state.count());
      backend.squareGradients(Tensor.zeros(arena, 2, 0, 4), Tensor.zeros(arena, 2, 0, 3), state);
      assertEquals(2, state.count());
      assertEquals(0, value(arena, state).get(0));
      DriftFreeSum none = DriftFreeSum.zeros(arena, Shape.of(0, 4));
      backend.squareGradients(Tensor.zeros(arena, 2, 4), Tensor.zeros(arena, 2, 0), none);
      assertEquals(2, none.count());
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor input = Tensor.zeros(arena, 2, 4);
      Tensor gradient = Tensor.zeros(arena, 2, 3);
      DriftFreeSum state = DriftFreeSum.zeros(arena, Shape.of(3, 4));
      List<Runnable> wrong =
          List.of(
              () -> backend.squareGradients(Tensor.zeros(arena, 3, 4), gradient, state),
              () -> backend.squareGradients(Tensor.zeros(arena, 2, 5), gradient, state),
              () -> backend.squareGradients(Tensor.zeros(arena, 8), gradient, state),
              () -> backend.squareGradients(Tensor.zeros(arena, 2, 1, 4), gradient, state),
              () -> backend.squareGradients(state.sum().slice(0, Shape.of(2, 4)), gradient, state),
              () -> backend.squareGradients(input, state.rest().slice(6, Shape.of(2, 3)), state),
              () ->
                  backend.squareGradients(
                      Tensor.zeros(arena, 2, 9, 4),
                      Tensor.zeros(arena, 2, 9, 3),
                      state,
                      Strategy.PAIRS),
              () ->
                  backend.squareGradients(
                      Window.square(3).convolution(1),
                      Tensor.zeros(arena, 1, 2, 2, 1),
                      Tensor.zeros(arena, 1, 1, 1, 1),
                      state),
              () ->
                  backend.squareGradients(
                      Window.square(1).convolution(3),
                      Tensor.zeros(arena, 1, 2, 2, 4),
                      Tensor.zeros(arena, 1, 2, 2, 3),
                      state),
              () -> Window.square(1).convolution(0),
              () -> Window.square(0));
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
      assertEquals(0, state.count());
      Arena closed = Arena.ofConfined();
      Tensor gone = Tensor.zeros(closed, 2, 4);
      closed.close();
      assertThrows(
          IllegalStateException.class, () -> backend.squareGradients(gone, gradient, state));
      assertEquals(0, state.count());
    }
  }
}
