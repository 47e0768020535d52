package io.nepenthe.curvature;

import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Owned;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * Products with a block's eigenvectors, by the dense library: rows of ā and g, and whole gradients
 * P ↦ Q_Bᵀ P Q_A and back. Plans and memory are kept for each batch size.
 */
final class Rotation implements AutoCloseable {
  private final Backend backend;
  private final ParameterBlock block;
  private final Arena arena = Arena.ofShared();
  private final Map<Object, AffinePlan> plans = new HashMap<>();
  private final Map<String, Tensor> memory = new HashMap<>();
  private final Tensor inputVectors;
  private final Tensor gradientVectors;
  private final Tensor inputTransposed;
  private final Tensor gradientTransposed;
  private final InputProjection inputRotation;
  private static final Tensor NONE = Tensor.zeros(Arena.global(), 0);

  Rotation(EigenBasis basis, Backend backend) {
    this.backend = backend;
    this.block = basis.block();
    this.inputVectors = here(basis.inputVectors());
    this.gradientVectors = here(basis.gradientVectors());
    Tensor transposed = transposed(basis.inputVectors());
    this.inputTransposed = here(transposed);
    this.gradientTransposed = here(transposed(basis.gradientVectors()));
    this.inputRotation =
        Owned.orClose(arena::close, () -> new InputProjection(backend, block, transposed));
  }

  private Tensor here(Tensor values) {
    return Owned.orClose(arena::close, () -> backend.here(arena, values));
  }

  private Tensor transposed(Tensor matrices) {
    Shape shape = matrices.shape();
    long n = shape.size(1);
    Tensor out = Tensor.zeros(arena, shape);
    for (long at = 0; at < matrices.elements(); at++) {
      long group = at / (n * n);
      out.set(group * n * n + at % n * n + at / n % n, matrices.get(at));
    }
    return out;
  }

  /** Memory where the operations run: of this name, at least this large, of this shape. */
  Tensor room(String name, Shape shape) {
    Tensor held = memory.get(name);
    if (held == null || held.elements() < shape.elements()) {
      held = backend.zeros(arena, Shape.of(shape.elements()));
      memory.put(name, held);
    }
    return held.slice(0, shape);
  }

  /** ā ↦ Q_Aᵀā: an image of γ·columns channels. */
  Tensor inputs(Tensor input, Tensor gradient) {
    return inputRotation.of(input, gradient.shape());
  }

  /** g ↦ Q_Bᵀg at every position. */
  Tensor gradients(Tensor gradient) {
    Shape shape = gradient.shape();
    Tensor rotated = room("gradients", shape);
    if (block.groups() == 1) {
      linear(gradient, shape.size(3), gradientTransposed, NONE, rotated);
      return rotated;
    }
    Affine.Convolution sizes =
        new Affine.Convolution(
            shape.size(0),
            shape.size(1),
            shape.size(2),
            shape.size(3),
            shape.size(3),
            Window.square(1),
            block.groups(),
            false);
    plan(sizes).forward(gradient, gradientTransposed.reshape(sizes.weights()), NONE, rotated);
    return rotated;
  }

  /** Rows of {@code x} times the transpose of a matrix of as many rows as {@code y} has columns. */
  private void linear(Tensor x, long inputs, Tensor matrix, Tensor bias, Tensor y) {
    long rows = x.elements() / inputs;
    Affine.Linear sizes = new Affine.Linear(rows, inputs, y.elements() / rows, bias.elements() > 0);
    plan(sizes)
        .forward(
            x.reshape(sizes.input()),
            matrix.reshape(sizes.weights()),
            bias,
            y.reshape(sizes.output()));
  }

  private AffinePlan plan(Affine sizes) {
    return plans.computeIfAbsent(sizes, key -> backend.dense().plan(sizes));
  }

  /** P ↦ Q_BᵀPQ_A or, back, Q_BPQ_Aᵀ, of whole gradients [m, O, columns], in place. */
  void whole(Tensor gradients, boolean back) {
    long m = gradients.shape().size(0);
    Shape shape = Shape.of(m, block.groupOutputs(), block.columns());
    Tensor one = room("one", shape);
    Tensor two = room("two", shape);
    for (int group = 0; group < block.groups(); group++) {
      rows(gradients, group, one, false);
      if (back) {
        left(one, group, true, two);
        right(two, group, true, one);
      } else {
        right(one, group, false, two);
        left(two, group, false, one);
      }
      rows(gradients, group, one, true);
    }
  }

  /** Copies the rows of a group out of whole gradients, or back into them. */
  private void rows(Tensor gradients, int group, Tensor own, boolean back) {
    Shape each = Shape.of(block.groupOutputs() * block.columns());
    for (long i = 0; i < own.shape().size(0); i++) {
      Tensor part = gradients.slice(i * block.size() + group * each.elements(), each);
      Tensor copy = own.slice(i * each.elements(), each);
      (back ? part : copy).copyFrom(back ? copy : part);
    }
  }

  /** P ↦ P·Q_A or, back, P·Q_Aᵀ, for one group's gradients [m, O/γ, columns]. */
  void right(Tensor gradients, int group, boolean back, Tensor out) {
    Tensor matrix = part(back ? inputVectors : inputTransposed, group);
    linear(gradients, block.columns(), matrix, NONE, out);
  }

  /** P ↦ Q_BᵀP or, back, Q_B P, for one group's gradients [m, O/γ, columns]. */
  void left(Tensor gradients, int group, boolean back, Tensor out) {
    Tensor tiles = tiles(gradients.shape().size(0), group, back);
    backend.perSample().sampleGradients(gradients, tiles, false, out);
  }

  /**
   * Q_B (back, its transpose) of a group once for each of m gradients: Σₖ tile[k, o]·P[k, j] is
   * Q_BᵀP, in the form of a sample's gradient with P's rows as its positions.
   */
  Tensor tiles(long m, int group, boolean back) {
    long size = block.groupOutputs();
    String name = (back ? "back" : "tiles") + group;
    Shape shape = Shape.of(m, size, size);
    Tensor held = memory.get(name);
    if (held == null || held.elements() < shape.elements()) {
      Tensor filled = room(name, shape);
      Tensor one = part(back ? gradientTransposed : gradientVectors, group);
      for (long i = 0; i < m; i++) {
        filled.slice(i * size * size, one.shape()).copyFrom(one);
      }
    }
    return room(name, shape);
  }

  private static Tensor part(Tensor matrices, int group) {
    long n = matrices.shape().size(1);
    return matrices.slice(group * n * n, Shape.of(n, n));
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      plans.values().forEach(AffinePlan::close);
      inputRotation.close();
      arena.close();
    }
  }
}
