package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Mask;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;

/** Seeded inputs. */
public final class Values {
  /** The weights of a ResNet-18 with ten classes on 32×32 images. */
  static final String RESNET_18 = "11173962";

  private Values() {}

  /** Uniform in [2^-16, 1), so that no quotient of two overflows or becomes subnormal. */
  static Tensor uniform(Arena arena, Shape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, (float) random.nextDouble(0x1p-16, 1));
    }
    return tensor;
  }

  /** Standard normal. */
  public static Tensor normal(Arena arena, Shape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, (float) random.nextGaussian());
    }
    return tensor;
  }

  /** Bits that select a random half of the values. */
  static Mask.Part half(Arena arena, Shape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Mask.Part mask = Mask.zeros(arena, List.of(shape)).part(0);
    for (long i = 0; i < mask.elements(); i++) {
      mask.set(i, random.nextBoolean());
    }
    return mask;
  }
}
