package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/**
 * An input's gradient that a plan adds to what is there has the bits of one that is made apart and
 * added: so a network's bits do not depend on which way a residual's gradients meet.
 */
class AffinePlanTest {
  private static final Window THREE = Window.square(3).withPadding(1);

  /** Runs of images whole and begun, weights as they lie and reordered, tiles whole and begun. */
  private static final Affine[] SIZES = {
    new Affine.Convolution(1, 6, 5, 3, 4, THREE, 1, true),
    new Affine.Convolution(16, 6, 5, 16, 16, THREE, 1, false),
    new Affine.Convolution(37, 6, 5, 16, 32, THREE.withStride(2), 1, false),
    new Affine.Convolution(33, 6, 5, 16, 32, Window.square(1).withStride(2), 1, false),
    new Affine.Convolution(18, 6, 5, 8, 8, Window.square(1), 1, true),
    new Affine.Convolution(5, 6, 5, 8, 8, THREE, 8, false),
    new Affine.Convolution(5, 6, 5, 8, 12, Window.square(2).withPadding(0, 1, 1, 1), 4, false),
    new Affine.Linear(3, 1, 5, true),
    new Affine.Linear(40, 300, 70, false),
    new Affine.Linear(64, 256, 128, true),
  };

  private static Tensor normal(Arena arena, Shape shape, long seed) {
    var values = KernelTest.guarded(arena, shape.elements(), KernelTest.normal(seed));
    return values.tensor().reshape(shape);
  }

  @Test
  void whatIsAddedHasTheBitsOfWhatIsMadeApart() {
    for (Affine sizes : SIZES) {
      for (int threads = 1; threads <= 2; threads++) {
        try (Arena arena = Arena.ofConfined();
            Backend backend = Device.cpu(threads).open();
            AffinePlan plan = backend.dense().plan(sizes)) {
          Tensor dy = normal(arena, sizes.output(), 1);
          Tensor weights = normal(arena, sizes.weights(), 2);
          Tensor there = normal(arena, sizes.input(), 3);
          Tensor apart = Tensor.zeros(arena, sizes.input());
          Tensor want = Tensor.zeros(arena, sizes.input());
          var got = KernelTest.guarded(arena, there.elements(), () -> 0);
          Tensor added = got.tensor().reshape(there.shape());
          added.copyFrom(there);
          plan.inputGradient(dy, weights, apart, false);
          backend.dense().add(there, apart, want);
          plan.inputGradient(dy, weights, added, true);
          KernelTest.assertBitwise(want, added);
          plan.inputGradient(dy, weights, added, false);
          KernelTest.assertBitwise(apart, added);
          got.assertUntouched();
        }
      }
    }
  }
}
