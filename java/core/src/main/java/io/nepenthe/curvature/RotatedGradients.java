package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/**
 * The samples' gradients of one block in its eigenbasis, Q_BᵀPₙQ_A, without forming them where that
 * costs more. Rotating ā first takes 2T·I² operations a sample, rotating P 2O·I²; so ā is rotated
 * first iff T &lt; O, and g first iff T &lt; I:
 *
 * <pre>
 *   operations = 2[ T·O·I + I²·min(T, O) + O²·min(T, I) ]
 * </pre>
 *
 * <p>A layer used more than once gives the sum over its uses, which only P can hold. The groups of
 * a convolution are rotated before, those of a tied one after.
 */
final class RotatedGradients implements AutoCloseable {
  /** The floats that gradients which are formed may take at once. */
  private static final long MOST_FLOATS = 1L << 24;

  private static final Convolution POINT = Window.square(1).convolution(1);

  private final Backend backend;
  private final Rotation rotation;
  private final ParameterBlock block;
  private int seen;

  /** What takes them. */
  interface Sink {
    /**
     * Samples [first, …) as products: P̃ₙ = Σₜ gₜãₜᵀ of these operands, which are images of a
     * convolution of one pixel with this many groups.
     */
    void products(long first, Convolution convolution, Tensor input, Tensor gradient);

    /** Samples [first, …) as they are, [n, O, columns]. */
    void whole(long first, Tensor gradients);
  }

  RotatedGradients(EigenBasis basis, Backend backend) {
    this.backend = backend;
    this.rotation = new Rotation(basis, backend);
    this.block = basis.block();
  }

  /** The operations a sample by this rule. */
  static double operations(double positions, double outputs, double columns) {
    return 2
        * (positions * outputs * columns
            + columns * columns * Math.min(positions, outputs)
            + outputs * outputs * Math.min(positions, columns));
  }

  /** Hands a use's samples to the sink; a tied layer's with its last use. */
  void visit(ParametricLayer layer, Tensor input, Tensor gradient, Sink sink) {
    Shape shape = gradient.shape();
    long positions = shape.size(1) * shape.size(2);
    if (layer.uses() > 1) {
      tied(layer, input, gradient, sink);
      return;
    }
    boolean inputsFirst = positions < block.groupOutputs() || block.groups() > 1;
    boolean gradientsFirst = positions < block.columns() || block.groups() > 1;
    if (inputsFirst && gradientsFirst) {
      sink.products(
          0,
          Window.square(1).convolution(block.groups()),
          rotation.inputs(input, gradient),
          rotation.gradients(gradient));
      return;
    }
    Tensor left = gradientsFirst ? rotation.gradients(gradient) : gradient;
    Tensor right = inputsFirst ? rotation.inputs(input, gradient) : input;
    long chunk = Math.max(1, MOST_FLOATS / block.size());
    for (long first = 0; first < shape.size(0); first += chunk) {
      long n = Math.min(chunk, shape.size(0) - first);
      Tensor formed = rotation.room("formed", Shape.of(n, block.outputs(), block.columns()));
      Tensor from = samples(right, first, n);
      if (inputsFirst) {
        backend.perSample().sampleGradients(POINT, from, samples(left, first, n), false, formed);
      } else {
        form(from, samples(left, first, n), formed);
      }
      finish(first, formed, inputsFirst, gradientsFirst, sink);
    }
  }

  private void form(Tensor input, Tensor gradient, Tensor out) {
    backend
        .perSample()
        .sampleGradients(block.convolution(), input, gradient, block.appendsOne(), out);
  }

  /** Rotates on the sides where that is not done, and hands over. */
  private void finish(
      long first, Tensor formed, boolean inputsDone, boolean gradientsDone, Sink sink) {
    Tensor rotated = formed;
    if (!inputsDone) {
      rotated = rotation.room("rotated", formed.shape());
      rotation.right(formed, 0, false, rotated);
    }
    if (gradientsDone) {
      sink.whole(first, rotated);
      return;
    }
    // Q_BᵀP̃ is itself a product over P̃'s rows: it need not be formed.
    long n = formed.shape().size(0);
    Tensor tiles = rotation.tiles(n, 0, false);
    sink.products(
        first,
        POINT,
        rotated.reshape(Shape.of(n, 1, block.outputs(), block.columns())),
        tiles.reshape(Shape.of(n, 1, block.outputs(), block.outputs())));
  }

  private void tied(ParametricLayer layer, Tensor input, Tensor gradient, Sink sink) {
    Shape shape = Shape.of(gradient.shape().size(0), block.outputs(), block.columns());
    Tensor sum = rotation.room("sum", shape);
    if (seen++ == 0) {
      form(input, gradient, sum);
    } else {
      Tensor more = rotation.room("formed", shape);
      form(input, gradient, more);
      backend.dense().add(sum, more, sum);
    }
    if (seen == layer.uses()) {
      seen = 0;
      if (block.groups() == 1) {
        finish(0, sum, false, false, sink);
      } else {
        rotation.whole(sum, false);
        sink.whole(0, sum);
      }
    }
  }

  static Tensor samples(Tensor tensor, long first, long count) {
    Shape shape = tensor.shape();
    long[] sizes = new long[shape.rank()];
    sizes[0] = count;
    for (int axis = 1; axis < sizes.length; axis++) {
      sizes[axis] = shape.size(axis);
    }
    return tensor.slice(first * (shape.elements() / shape.size(0)), Shape.of(sizes));
  }

  @Override
  public void close() {
    rotation.close();
  }
}
