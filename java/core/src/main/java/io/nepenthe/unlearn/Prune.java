package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;

/**
 * Prune, then unlearn: the smallest weights by magnitude, all layers ranked together, become 0 and
 * stay 0; then a gradient method works on the rest (one-shot magnitude pruning in Jia et al.,
 * "Model sparsity can simplify machine unlearning", NeurIPS 2023).
 *
 * @param scope which weights are ranked; biases and normalisation never are
 * @param rate the share of them that becomes 0, from 0 to 1; under a mask those of them that the
 *     mask selects, as the others keep their bits
 * @param method what unlearns afterwards
 */
public record Prune(Scope scope, double rate, GradientMethod method) implements GradientMethod {
  /** Which weights are ranked. */
  public enum Scope {
    /** Those of convolutions: the published rule. */
    CONVOLUTIONS("convolutions"),
    /** Those of convolutions and linear layers. */
    ALL_WEIGHTS("weights");

    private final String words;

    Scope(String words) {
      this.words = words;
    }
  }

  /** Checks the rate. */
  public Prune {
    if (!(rate >= 0 && rate <= 1)) {
      throw new IllegalArgumentException("rate must be from 0 to 1, found " + rate);
    }
  }

  /** 95 % of the convolutions' weights, then {@link FineTune#published()}. */
  public static Prune published() {
    return new Prune(Scope.CONVOLUTIONS, 0.95, FineTune.published());
  }

  @Override
  public boolean needsHeldOut() {
    return method.needsHeldOut();
  }

  @Override
  public void require(Network network, Forgetting task) {
    if (network.nodes().stream().noneMatch(node -> isRanked(node.layer()))) {
      throw new IllegalArgumentException("the network has no " + scope.words + " to prune");
    }
    method.require(network, task);
  }

  @Override
  public Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener) {
    task.requireFit(model);
    require(model.network(), task);
    Recorder recorder = new Recorder();
    try (Arena arena = Arena.ofConfined()) {
      Mask.Part left = recorder.phase("mask", () -> prune(arena, model, backend, mask));
      recorder.figure("selected", left.selected());
      recorder.include(method.forget(model, backend, task, Optional.of(left), seed, listener));
    }
    return recorder.trace();
  }

  /** Zeroes the small weights, and selects those that may still change. */
  private Mask.Part prune(Arena arena, Model model, Backend backend, Optional<Mask.Part> given) {
    Tensor flat = model.parameters().flat();
    Mask.Part left = Mask.zeros(arena, List.of(flat.shape())).part(0);
    for (long j = 0; j < flat.elements(); j++) {
      left.set(j, given.isEmpty() || given.get().get(j));
    }
    List<Parameters.Parameter> ranked =
        model.layers().stream()
            .filter(layer -> layer.use() == 0 && isRanked(layer.layer()))
            .map(ParametricLayer::weight)
            .toList();
    List<Tensor> weights = ranked.stream().map(Parameters.Parameter::value).toList();
    List<Shape> shapes = weights.stream().map(Tensor::shape).toList();
    MaskStack kept = MaskStack.zeros(arena, 1, shapes);
    backend.selectTop(weights, kept, 1 - rate);
    for (int t = 0; t < ranked.size(); t++) {
      for (long i = 0; i < weights.get(t).elements(); i++) {
        long flatIndex = ranked.get(t).offset() + i;
        if (!kept.mask(0).get(t, i) && left.get(flatIndex)) {
          weights.get(t).set(i, 0);
          left.set(flatIndex, false);
        }
      }
    }
    return left;
  }

  private boolean isRanked(Layer layer) {
    return layer instanceof Layer.Conv2d
        || scope == Scope.ALL_WEIGHTS && layer instanceof Layer.Linear;
  }
}
