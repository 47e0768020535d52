package io.nepenthe.onnx;

import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Objects;

/**
 * How one tensor of a model lies in its ONNX file: under which name, in which shape, in which
 * order. The same holds for every statistic that has a value per weight.
 *
 * @param spec the tensor in the engine: its name, shape and role
 * @param name the initialiser's name in the file
 * @param shape the initialiser's shape in the file, for instance O·I·KH·KW
 * @param view the engine's shape seen as outputs · height · width · channels
 * @param order the order in which the file has these four
 */
public record Initialiser(ParameterSpec spec, String name, Shape shape, Shape view, Order order) {
  /** An order of outputs (O), channels (C), height (H) and width (W), slowest first. */
  public enum Order {
    /** Outputs, channels, height, width: convolutions, and O·I linear weights. */
    OCHW,
    /** Channels, height, width, outputs: I·O linear weights, as MatMul has them. */
    CHWO
  }

  /**
   * Checks that the shapes agree.
   *
   * @throws IllegalArgumentException if they do not have the same number of values, or the view
   *     does not have four dimensions
   */
  public Initialiser {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(order, "order");
    if (view.rank() != 4
        || view.elements() != spec.shape().elements()
        || shape.elements() != view.elements()) {
      throw new IllegalArgumentException(
          spec.name() + ": shapes " + spec.shape() + ", " + shape + " and " + view + " disagree");
    }
  }

  /**
   * Values in the engine's order, written in the file's.
   *
   * @param values one per weight, in the engine's shape
   * @return a new tensor in {@code arena}, of {@link #shape()}
   * @throws IllegalArgumentException if {@code values} has another shape
   */
  public Tensor toOnnx(Tensor values, Arena arena) {
    require(values, spec.shape());
    Tensor out = Tensor.zeros(arena, shape);
    permute(values, out, true);
    return out;
  }

  /**
   * Values in the file's order, written in the engine's.
   *
   * @param values one per weight, in the file's shape
   * @param into receives them, in the engine's shape
   * @throws IllegalArgumentException if one of them has another shape
   */
  public void fromOnnx(Tensor values, Tensor into) {
    require(values, shape);
    require(into, spec.shape());
    permute(values, into, false);
  }

  private void require(Tensor values, Shape wanted) {
    if (!values.shape().equals(wanted)) {
      throw new IllegalArgumentException(
          name + " takes shape " + wanted + ", found " + values.shape());
    }
  }

  /**
   * Where the file has one of the features that a row of these weights multiplies: C·H·W in either
   * order of the file.
   *
   * @param feature counted in the engine's order, H·W·C
   * @return its position among the features of an output
   */
  public long feature(long feature) {
    long index = onnxIndex(feature);
    return order == Order.OCHW ? index : index / view.size(0);
  }

  /** The flat index in the file of the value that the engine has at flat index {@code index}. */
  long onnxIndex(long index) {
    long channels = view.size(3);
    long width = view.size(2);
    long height = view.size(1);
    long c = index % channels;
    long rest = index / channels;
    long w = rest % width;
    rest /= width;
    long h = rest % height;
    long o = rest / height;
    return order == Order.OCHW
        ? ((o * channels + c) * height + h) * width + w
        : ((c * height + h) * width + w) * view.size(0) + o;
  }

  private void permute(Tensor from, Tensor to, boolean out) {
    long index = 0;
    for (long o = 0; o < view.size(0); o++) {
      for (long h = 0; h < view.size(1); h++) {
        for (long w = 0; w < view.size(2); w++) {
          long first = onnxIndex(index);
          long step = view.size(3) > 1 ? onnxIndex(index + 1) - first : 0;
          for (long c = 0; c < view.size(3); c++, index++) {
            long other = first + c * step;
            if (out) {
              to.set(other, from.get(index));
            } else {
              to.set(index, from.get(other));
            }
          }
        }
      }
    }
  }
}
