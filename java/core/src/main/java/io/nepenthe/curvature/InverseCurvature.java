package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The damped inverse of a block-diagonal curvature. Of every block it has weights W and, but for
 * the identity and the diagonal, eigenvectors:
 *
 * <pre>
 *   H⁻¹P = Q_B [ (Q_BᵀPQ_A) ∘ W ] Q_Aᵀ
 *   identity   W = 1
 *   diagonal   W = 1/(D + λ)                 D the Fisher diagonal, no rotation
 *   KFAC       W = 1/(β⊗α + λ)               or factored, 1/((β + √λ/π)(α + π√λ))
 *   EK-FAC     W = 1/(Λ + λ)
 * </pre>
 *
 * <p>with π² = (tr A/I)/(tr B/O) for the factored damping (Martens, Grosse 2015, section 6.3). It
 * owns its memory; eigenvectors are those of the {@link EkFac} that it was made from, which must
 * outlive it.
 */
public final class InverseCurvature implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final List<ParameterBlock> blocks;
  private final Map<String, Tensor> weights = new LinkedHashMap<>();
  private final Map<String, EigenBasis> bases;

  private InverseCurvature(List<ParameterBlock> blocks, Map<String, EigenBasis> bases) {
    this.blocks = blocks;
    this.bases = bases;
  }

  /** No curvature: H = I. */
  public static InverseCurvature identity(Model model) {
    InverseCurvature inverse = new InverseCurvature(ParameterBlock.of(model, true), Map.of());
    for (ParameterBlock block : inverse.blocks) {
      Tensor ones = inverse.put(block);
      for (long i = 0; i < ones.elements(); i++) {
        ones.set(i, 1);
      }
    }
    return inverse;
  }

  /** The diagonal of the Fisher information. */
  public static InverseCurvature diagonal(Model model, Parameters diagonal, Damping damping) {
    InverseCurvature inverse = damped(ParameterBlock.of(model, true), Map.of(), damping);
    try (Arena scratch = Arena.ofConfined()) {
      for (ParameterBlock block : inverse.blocks) {
        Tensor values = Tensor.zeros(scratch, EkFac.shape(block));
        block.gather(diagonal, values);
        inverse.invert(block, values, damping);
      }
    }
    return inverse;
  }

  /** EK-FAC. */
  public static InverseCurvature ekfac(EkFac curvature, Damping damping) {
    InverseCurvature inverse = damped(curvature.blocks(), curvature.bases(), damping);
    for (ParameterBlock block : inverse.blocks) {
      inverse.invert(block, curvature.eigenvalues(block), damping);
    }
    return inverse;
  }

  /** KFAC, damped exactly: λ is added to the eigenvalues of the product. */
  public static InverseCurvature kfac(EkFac curvature, Damping damping) {
    InverseCurvature inverse = damped(curvature.blocks(), curvature.bases(), damping);
    for (ParameterBlock block : inverse.blocks) {
      inverse.invert(block, curvature.kroneckerEigenvalues(block), damping);
    }
    return inverse;
  }

  /**
   * KFAC, scaled as said before it is damped.
   *
   * @param model whose factors they are
   */
  public static InverseCurvature kfac(
      EkFac curvature, Damping damping, KfacScaling scaling, Model model) {
    if (scaling == KfacScaling.KFC) {
      return kfac(curvature, damping);
    }
    InverseCurvature inverse = damped(curvature.blocks(), curvature.bases(), damping);
    try (Arena scratch = Arena.ofConfined()) {
      for (ParameterBlock block : inverse.blocks) {
        Tensor values = curvature.kroneckerEigenvalues(block);
        Tensor scaled = Tensor.zeros(scratch, values.shape());
        double by = block.isDiagonal() ? 1 : 1.0 / block.positions(model);
        for (long i = 0; i < values.elements(); i++) {
          scaled.set(i, (float) (by * values.get(i)));
        }
        inverse.invert(block, scaled, damping);
      }
    }
    return inverse;
  }

  /** KFAC with the damping split over the two factors. */
  public static InverseCurvature kfacFactored(EkFac curvature, Damping damping) {
    InverseCurvature inverse = damped(curvature.blocks(), curvature.bases(), damping);
    for (ParameterBlock block : inverse.blocks) {
      Tensor values = curvature.kroneckerEigenvalues(block);
      if (block.isDiagonal()) {
        inverse.invert(block, values, damping);
        continue;
      }
      double root = Math.sqrt(damping.of(block.name(), values));
      Tensor out = inverse.put(block);
      EigenBasis basis = curvature.bases().get(block.name());
      for (long o = 0; o < block.outputs(); o++) {
        int group = (int) (o / block.groupOutputs());
        double[] alpha = basis.inputValues()[group];
        double[] beta = basis.gradientValues()[group];
        double pi = Math.sqrt(mean(alpha) / mean(beta));
        double left = beta[(int) (o % block.groupOutputs())] + root / pi;
        for (int i = 0; i < alpha.length; i++) {
          out.set(o * alpha.length + i, (float) (1 / (left * (alpha[i] + pi * root))));
        }
      }
    }
    return inverse;
  }

  /**
   * The same of some layers alone: scores leave the others out.
   *
   * @param layers their names
   * @return with weights of its own and the same eigenvectors
   */
  public InverseCurvature ofLayers(Set<String> layers) {
    List<ParameterBlock> kept =
        blocks.stream().filter(block -> layers.contains(block.layer())).toList();
    InverseCurvature some = new InverseCurvature(kept, bases);
    for (ParameterBlock block : kept) {
      some.put(block).copyFrom(weights(block));
    }
    return some;
  }

  private static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    // Where a factor is zero, any split does.
    return sum > 0 ? sum / values.length : 1;
  }

  /**
   * Without weights yet. A misspelt name in the damping would leave its block to the common rule.
   */
  private static InverseCurvature damped(
      List<ParameterBlock> blocks, Map<String, EigenBasis> bases, Damping damping) {
    List<String> names = blocks.stream().map(ParameterBlock::name).toList();
    for (String name : damping.blocks().keySet()) {
      if (!names.contains(name)) {
        throw new IllegalArgumentException(
            "no block is named " + name + ": expected " + String.join(", ", names));
      }
    }
    return new InverseCurvature(blocks, bases);
  }

  private Tensor put(ParameterBlock block) {
    Tensor tensor = Tensor.zeros(arena, EkFac.shape(block));
    weights.put(block.name(), tensor);
    return tensor;
  }

  private void invert(ParameterBlock block, Tensor eigenvalues, Damping damping) {
    double lambda = damping.of(block.name(), eigenvalues);
    Tensor out = put(block);
    for (long i = 0; i < out.elements(); i++) {
      out.set(i, (float) (1 / (eigenvalues.get(i) + lambda)));
    }
  }

  /** The blocks, in node order. */
  public List<ParameterBlock> blocks() {
    return blocks;
  }

  /** W of a block. */
  public Tensor weights(ParameterBlock block) {
    return weights.get(block.name());
  }

  /** The eigenvectors of a block, where it has any. */
  Optional<EigenBasis> basis(ParameterBlock block) {
    return Optional.ofNullable(bases.get(block.name()));
  }

  /**
   * g ↦ H⁻¹g, in place.
   *
   * @param gradient under the model's parameter names
   */
  public void apply(Backend backend, Parameters gradient) {
    try (Arena scratch = Arena.ofConfined()) {
      for (ParameterBlock block : blocks) {
        Shape shape = EkFac.shape(block);
        Tensor one = Tensor.zeros(scratch, shape);
        block.gather(gradient, one);
        apply(backend, block, one.reshape(Shape.of(1, shape.size(0), shape.size(1))));
        block.scatter(one, gradient);
      }
    }
  }

  /** The same for m gradients of a block, [m, O, columns], in place. */
  void apply(Backend backend, ParameterBlock block, Tensor gradients) {
    EigenBasis basis = bases.get(block.name());
    if (basis == null) {
      multiply(gradients, weights.get(block.name()));
      return;
    }
    try (Rotation rotation = new Rotation(basis, backend);
        Arena arena = Arena.ofConfined()) {
      Tensor w = backend.here(arena, weights.get(block.name()));
      Room room = new Room(arena, backend);
      long m = gradients.shape().size(0);
      long chunk = atOnce(block, m);
      for (long first = 0; first < m; first += chunk) {
        Tensor part = RotatedGradients.samples(gradients, first, Math.min(chunk, m - first));
        Tensor here = backend.holds(part) ? part : room.copyOf(part);
        rotation.whole(here, false);
        backend.dense().multiplyRows(here, w);
        rotation.whole(here, true);
        if (here != part) {
          part.copyFrom(here);
        }
      }
    }
  }

  /** How many of m gradients are rotated at once. */
  static long atOnce(ParameterBlock block, long m) {
    return Math.clamp((1L << 24) / block.size(), 1, m);
  }

  private static void multiply(Tensor gradients, Tensor w) {
    long size = w.elements();
    for (long i = 0; i < gradients.elements(); i++) {
      gradients.set(i, gradients.get(i) * w.get(i % size));
    }
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
