package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SampleGradientsTest {
  private static Tensor run(Backend backend, LayerCase some, boolean bias, Tensor out) {
    if (some.linear) {
      backend.perSample().sampleGradients(some.input(), some.gradient(), bias, out);
    } else {
      backend
          .perSample()
          .sampleGradients(some.convolution, some.input(), some.gradient(), bias, out);
    }
    return out;
  }

  private static Shape shape(LayerCase some, boolean bias) {
    LayerGeometry geometry = some.geometry;
    return Shape.of(geometry.samples(), geometry.outputs(), geometry.features(bias));
  }

  @Property(tries = 150)
  void agreesWithBruteForce(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      LayerCase some =
          LayerCase.random(arena, random, random.nextInt(1, 6), KernelTest.normal(seed));
      boolean bias = random.nextBoolean();
      Shape shape = shape(some, bias);
      KernelTest.Guarded out = KernelTest.guarded(arena, shape.elements(), () -> 7);
      run(backend, some, bias, out.tensor().reshape(shape));
      SquareGradients.Reference reference = some.gradients(bias);
      KernelTest.assertWithin(
          reference.sum(),
          reference.magnitude(),
          SampleGradients.steps(some.geometry.positions()),
          out.tensor());
      out.assertUntouched();
      some.assertUntouched();
    }
  }

  @Test
  void tileEdgesAreExactOnSmallIntegers() {
    int[] edges = {1, 3, 4, 5, 7, 8, 9, 16, 17, 24, 25, 47, 48, 49, 97};
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend three = Device.cpu(3).open()) {
      for (int inputs : edges) {
        for (int outputs : edges) {
          LayerCase some =
              LayerCase.linear(arena, 5, 2, inputs, outputs, KernelTest.integers(inputs, 3));
          Tensor got = run(one, some, true, Tensor.zeros(arena, shape(some, true)));
          SquareGradients.Reference reference = some.gradients(true);
          KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, got);
          KernelTest.assertBitwise(
              got, run(three, some, true, Tensor.zeros(arena, shape(some, true))));
        }
      }
    }
  }

  /** More of a sample's input than is packed at once. */
  @Test
  void bandsOfAWideLayerMeet() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      LayerCase some = LayerCase.linear(arena, 3, 64, 2100, 9, KernelTest.integers(1, 3));
      for (boolean bias : new boolean[] {false, true}) {
        Shape shape = shape(some, bias);
        KernelTest.Guarded out = KernelTest.guarded(arena, shape.elements(), () -> 7);
        run(backend, some, bias, out.tensor().reshape(shape));
        SquareGradients.Reference reference = some.gradients(bias);
        KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, out.tensor());
        out.assertUntouched();
      }
    }
  }

  /** The bits of plain Java, whatever the threads and however a batch is split. */
  @Property(tries = 100)
  void ofANormalisationTheBitsArePlainJavas(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long samples = random.nextInt(1, 6);
    long positions = random.nextInt(1, 40);
    long channels = random.nextInt(1, random.nextInt(5) == 0 ? 100 : 20);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      KernelTest.Values values = KernelTest.normal(seed);
      long elements = samples * positions * channels;
      Shape shape = Shape.of(samples, 1, positions, channels);
      KernelTest.Guarded x = KernelTest.guarded(arena, elements, values);
      KernelTest.Guarded g = KernelTest.guarded(arena, elements, values);
      KernelTest.Guarded out = KernelTest.guarded(arena, samples * 2 * channels, () -> 7);
      Tensor normalised = x.tensor().reshape(shape);
      Tensor gradient = g.tensor().reshape(shape);
      Tensor got = out.tensor().reshape(Shape.of(samples, 2, channels));
      backend.perSample().sampleNormalisationGradients(normalised, gradient, got);
      Tensor want = Tensor.zeros(arena, got.shape());
      SampleGradients.referenceNormalisation(normalised, gradient, want);
      KernelTest.assertBitwise(want, got);
      x.assertUntouched();
      g.assertUntouched();
      out.assertUntouched();
      Shape one = Shape.of(1, positions, channels);
      Tensor last = Tensor.zeros(arena, 1, 2, channels);
      long at = (samples - 1) * positions * channels;
      backend
          .perSample()
          .sampleNormalisationGradients(normalised.slice(at, one), gradient.slice(at, one), last);
      KernelTest.assertBitwise(got.slice((samples - 1) * 2 * channels, last.shape()), last);
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor input = Tensor.zeros(arena, 2, 3);
      Tensor gradient = Tensor.zeros(arena, 2, 4);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              backend
                  .perSample()
                  .sampleGradients(input, gradient, true, Tensor.zeros(arena, 2, 4, 3)));
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.perSample().sampleGradients(input, input, false, Tensor.zeros(arena, 2)));
      PerSample operations = backend.perSample();
      Tensor out = Tensor.zeros(arena, 2, 2, 4);
      Tensor vector = Tensor.zeros(arena, 8);
      Runnable[] wrong = {
        () -> operations.sampleNormalisationGradients(input, gradient, out),
        () -> operations.sampleNormalisationGradients(gradient, gradient, input),
        () -> operations.sampleNormalisationGradients(vector, vector, out),
        () -> operations.sampleNormalisationGradients(gradient, out.slice(0, gradient.shape()), out)
      };
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
    }
  }
}
