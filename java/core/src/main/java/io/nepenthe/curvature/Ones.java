package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Owned;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/** The inputs of blocks: the layer's, or, of a bias alone, the constant 1 at every position. */
final class Ones implements AutoCloseable {
  private final Backend backend;
  private Arena arena = Arena.ofShared();
  private Tensor ones = Tensor.zeros(arena, 0);

  /** Where the backend's operations run. */
  Ones(Backend backend) {
    this.backend = backend;
  }

  /** The block's input as an image, given its layer's and the output gradient as an image. */
  Tensor inputOf(ParameterBlock block, Tensor input, Tensor gradient) {
    if (block.part() != ParameterBlock.Part.BIAS) {
      return ParameterBlock.image(input);
    }
    Shape out = gradient.shape();
    return of(Shape.of(out.size(0), out.size(1), out.size(2), block.groups()));
  }

  /** Ones of this shape; valid until more are asked for. */
  Tensor of(Shape shape) {
    if (ones.elements() < shape.elements()) {
      Arena larger = Arena.ofShared();
      try (Arena scratch = Arena.ofConfined()) {
        Tensor filled = Tensor.zeros(scratch, shape);
        for (long i = 0; i < filled.elements(); i++) {
          filled.set(i, 1);
        }
        ones = Owned.orClose(larger::close, () -> backend.zeros(larger, shape));
        ones.copyFrom(filled);
      }
      arena.close();
      arena = larger;
    }
    return ones.slice(0, shape);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
