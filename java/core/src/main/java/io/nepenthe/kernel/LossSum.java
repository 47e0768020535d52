package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/**
 * A sum of losses in float64 that lies where they are computed, so that nobody waits for a batch's:
 * it comes to the host when it is asked for.
 */
public final class LossSum {
  /** The bits of one float64 in the place of two float32. */
  private final Tensor bits;

  private LossSum(Tensor bits) {
    this.bits = bits;
  }

  /** Zero, in the backend's memory, which ends with the arena. */
  public static LossSum zero(Arena arena, Backend backend) {
    return new LossSum(backend.zeros(arena, Shape.of(Double.BYTES / Float.BYTES)));
  }

  /** Starts anew from 0. */
  public void clear() {
    bits.clear();
  }

  /** What was added since it was cleared; waits for a device to have computed it. */
  public double value() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor here = Tensor.zeros(arena, bits.shape());
      here.copyFrom(bits);
      return read(here);
    }
  }

  /** Adds a number to a sum on the host. */
  void add(double more) {
    bits.segment().set(ValueLayout.JAVA_DOUBLE, 0, read(bits) + more);
  }

  /** Where it lies. */
  Tensor bits() {
    return bits;
  }

  private static double read(Tensor bits) {
    return bits.segment().get(ValueLayout.JAVA_DOUBLE, 0);
  }
}
