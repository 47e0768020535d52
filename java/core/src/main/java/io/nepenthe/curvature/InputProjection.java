package io.nepenthe.curvature;

import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Owned;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * Products of a block's ā with the rows of a matrix, at every position. Of an unfolded input they
 * are a convolution whose weights are the rows and whose bias is their last component, so nothing
 * is unfolded. Plans and memory are kept for each batch size.
 */
final class InputProjection implements AutoCloseable {
  private final Backend backend;
  private final Convolution convolution;
  private final Arena arena = Arena.ofShared();
  private final Map<Affine, AffinePlan> plans = new HashMap<>();
  private final long channels;
  private final Tensor weights;
  private final Tensor bias;
  private Tensor room = Tensor.zeros(arena, 0);

  /** Of a block's ā; where it has groups, the matrix has as many rows for each. */
  InputProjection(Backend backend, ParameterBlock block, Tensor rows) {
    this(backend, block.convolution(), block.columns(), block.appendsOne(), rows);
  }

  /**
   * Keeps a copy of the matrix.
   *
   * @param one whether the last column is the bias
   * @param rows [channels, columns]
   */
  InputProjection(
      Backend backend, Convolution convolution, long columns, boolean one, Tensor rows) {
    this.backend = backend;
    this.convolution = convolution;
    long inputs = columns - (one ? 1 : 0);
    this.channels = rows.elements() / columns;
    try (Arena scratch = Arena.ofConfined()) {
      Tensor matrix = Tensor.zeros(scratch, channels * inputs);
      Tensor last = Tensor.zeros(scratch, one ? channels : 0);
      for (long k = 0; k < channels; k++) {
        for (long j = 0; j < inputs; j++) {
          matrix.set(k * inputs + j, rows.get(k * columns + j));
        }
        if (one) {
          last.set(k, rows.get(k * columns + inputs));
        }
      }
      this.weights = Owned.orClose(arena::close, () -> here(matrix));
      this.bias = one ? Owned.orClose(arena::close, () -> here(last)) : Tensor.zeros(arena, 0);
    }
  }

  /** Where the operations run: the matrix is used for many batches. */
  private Tensor here(Tensor values) {
    Tensor copy = backend.zeros(arena, values.shape());
    copy.copyFrom(values);
    return copy;
  }

  /**
   * An image of the channels; valid until the next call.
   *
   * @param input as an image
   * @param out the shape of the layer's output gradient, as an image
   */
  Tensor of(Tensor input, Shape out) {
    Shape shape = Shape.of(out.size(0), out.size(1), out.size(2), channels);
    if (room.elements() < shape.elements()) {
      room = backend.zeros(arena, Shape.of(shape.elements()));
    }
    Tensor result = room.slice(0, shape);
    Shape in = input.shape();
    boolean one = bias.elements() > 0;
    boolean point = convolution.equals(Window.square(1).convolution(1));
    Affine sizes =
        point
            ? new Affine.Linear(input.elements() / in.size(3), in.size(3), channels, one)
            : new Affine.Convolution(
                in.size(0),
                in.size(1),
                in.size(2),
                in.size(3),
                channels,
                convolution.window(),
                convolution.groups(),
                one);
    plans
        .computeIfAbsent(sizes, key -> backend.dense().plan(key))
        .forward(
            input.reshape(sizes.input()),
            weights.reshape(sizes.weights()),
            bias,
            result.reshape(sizes.output()));
    return result;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      plans.values().forEach(AffinePlan::close);
      arena.close();
    }
  }
}
