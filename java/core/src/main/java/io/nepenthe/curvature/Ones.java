package io.nepenthe.curvature;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/** The inputs of blocks: the layer's, or, of a bias alone, the constant 1 at every position. */
final class Ones implements AutoCloseable {
  private Arena arena = Arena.ofShared();
  private Tensor ones = Tensor.zeros(arena, 0);

  /** The block's input as an image, given its layer's and the output gradient as an image. */
  Tensor inputOf(ParameterBlock block, Tensor input, Tensor gradient) {
    if (block.part() != ParameterBlock.Part.BIAS) {
      return ParameterBlock.image(input);
    }
    Shape out = gradient.shape();
    Shape shape = Shape.of(out.size(0), out.size(1), out.size(2), block.groups());
    if (ones.elements() < shape.elements()) {
      Arena larger = Arena.ofShared();
      ones = Tensor.zeros(larger, shape);
      for (long i = 0; i < ones.elements(); i++) {
        ones.set(i, 1);
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
