package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/** Writes the gradients that samples have of a block, of one use of its layer after the other. */
final class GradientWriter implements AutoCloseable {
  private final Backend backend;
  private final Arena arena = Arena.ofShared();
  private final Ones ones;
  private final Room room;

  /** Where the backend's operations run. */
  GradientWriter(Backend backend) {
    this.backend = backend;
    this.ones = new Ones(backend);
    this.room = new Room(arena, backend);
  }

  /**
   * Writes those of a use, or adds them to those of other uses.
   *
   * @param more whether {@code target} holds those of other uses
   * @param target [samples, O, columns], or [samples, 2, channels]
   */
  void write(
      ParameterBlock block, Tensor input, Tensor outputGradient, boolean more, Tensor target) {
    if (more) {
      Tensor own = room.of(target.shape());
      write(block, input, outputGradient, own);
      backend.dense().add(target, own, target);
    } else {
      write(block, input, outputGradient, target);
    }
  }

  private void write(ParameterBlock block, Tensor input, Tensor outputGradient, Tensor target) {
    if (block.isDiagonal()) {
      backend.perSample().sampleNormalisationGradients(input, outputGradient, target);
      return;
    }
    Tensor gradient = ParameterBlock.image(outputGradient);
    backend
        .perSample()
        .sampleGradients(
            block.convolution(),
            ones.inputOf(block, input, gradient),
            gradient,
            block.appendsOne(),
            target);
  }

  @Override
  public void close() {
    ones.close();
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
