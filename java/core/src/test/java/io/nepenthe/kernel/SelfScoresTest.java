package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.kernel.SelfScores.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SelfScoresTest {
  private static Tensor positive(Arena arena, Shape shape, KernelTest.Values values) {
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, Math.abs(values.next()));
    }
    return tensor;
  }

  private static List<Strategy> strategies(long positions) {
    return positions == 1 ? List.of(Strategy.values()) : List.of(Strategy.PRODUCTS);
  }

  @Property(tries = 150)
  void agreesWithBruteForce(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend some = Device.cpu(random.nextInt(2, 4)).open()) {
      long positions = random.nextBoolean() ? 1 : random.nextInt(2, 40);
      long inputs = random.nextInt(1, 110);
      long outputs = random.nextInt(1, 40);
      int samples = random.nextInt(1, 90);
      KernelTest.Values values = KernelTest.normal(seed);
      LayerCase layer = LayerCase.linear(arena, samples, positions, inputs, outputs, values);
      Tensor weights = positive(arena, Shape.of(outputs, inputs), values);
      SquareGradients.Reference reference =
          SelfScores.reference(layer.gradients(false), weights, samples);
      for (Strategy strategy : strategies(positions)) {
        KernelTest.Guarded scores = KernelTest.guarded(arena, samples, () -> 7);
        one.perSample()
            .selfScores(layer.input(), layer.gradient(), weights, scores.tensor(), strategy);
        KernelTest.assertWithin(
            reference.sum(),
            reference.magnitude(),
            SelfScores.steps(positions, outputs, strategy),
            scores.tensor());
        scores.assertUntouched();
        Tensor again = Tensor.zeros(arena, samples);
        some.perSample().selfScores(layer.input(), layer.gradient(), weights, again, strategy);
        KernelTest.assertBitwise(scores.tensor(), again);
      }
      layer.assertUntouched();
    }
  }

  @Property(tries = 60)
  void ofWrittenGradients(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      int samples = random.nextInt(1, 5);
      int size = KernelTest.SIZES[random.nextInt(1, KernelTest.SIZES.length)];
      KernelTest.Values values = KernelTest.normal(seed);
      KernelTest.Guarded gradients = KernelTest.guarded(arena, (long) samples * size, values);
      Tensor weights = positive(arena, Shape.of(size), values);
      double[] sum = new double[samples * size];
      double[] magnitude = new double[samples * size];
      for (int i = 0; i < sum.length; i++) {
        sum[i] = gradients.tensor().get(i);
        magnitude[i] = Math.abs(sum[i]);
      }
      SquareGradients.Reference reference =
          SelfScores.reference(new SquareGradients.Reference(sum, magnitude), weights, samples);
      Tensor scores = Tensor.zeros(arena, samples);
      backend
          .perSample()
          .selfScores(gradients.tensor().reshape(Shape.of(samples, size)), weights, scores);
      KernelTest.assertWithin(reference.sum(), reference.magnitude(), 1100, scores);
    }
  }

  @Test
  void manyOutputsAreFlushedInTime() {
    // More tiles a column than a lane sums in float32.
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      LayerCase layer = LayerCase.linear(arena, 3, 2, 50, 1100, KernelTest.integers(3, 2));
      Tensor weights = positive(arena, Shape.of(1100, 50), KernelTest.integers(9, 2));
      Tensor scores = Tensor.zeros(arena, 3);
      backend.perSample().selfScores(layer.input(), layer.gradient(), weights, scores);
      SquareGradients.Reference reference =
          SelfScores.reference(layer.gradients(false), weights, 3);
      KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, scores);
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      PerSample operations = backend.perSample();
      Tensor input = Tensor.zeros(arena, 2, 5, 3);
      Tensor gradient = Tensor.zeros(arena, 2, 5, 4);
      Tensor weights = Tensor.zeros(arena, 4, 3);
      Tensor scores = Tensor.zeros(arena, 2);
      List<Runnable> wrong =
          List.of(
              () -> operations.selfScores(input, gradient, Tensor.zeros(arena, 4, 4), scores),
              () -> operations.selfScores(input, gradient, weights, Tensor.zeros(arena, 3)),
              () -> operations.selfScores(input, gradient, weights, scores, Strategy.SQUARES),
              () -> operations.selfScores(input, gradient, weights, input.slice(0, Shape.of(2))),
              () -> operations.selfScores(Tensor.zeros(arena, 2, 5), weights, scores));
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
    }
  }
}
