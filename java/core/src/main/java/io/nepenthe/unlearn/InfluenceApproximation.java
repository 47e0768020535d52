package io.nepenthe.unlearn;

import io.nepenthe.curvature.SummedGradient;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import java.lang.foreign.Arena;

/**
 * Influence approximation unlearning, IAU (Liu et al. 2025): one step of gradients alone, down the
 * mean loss of D_r and up that of D_f,
 *
 * <pre>
 *   g = mean_r ∇ℓ − mean_f ∇ℓ
 *   θ ← θ − learningRate · g                   sgd
 *   θ ← θ − learningRate · g / (|g| + 10⁻⁸)    adam: the first step of Adam, as their code takes it
 * </pre>
 *
 * <p>Their training adds a penalty on gradient norms, which is no part of forgetting.
 *
 * @param learningRate of the step
 * @param adam whether the step is Adam's first, in which only signs matter
 */
public record InfluenceApproximation(double learningRate, boolean adam) implements Method {
  private static final double EPSILON = 1e-8;
  private static final int BATCH = 64;

  /** Checks the rate. */
  public InfluenceApproximation {
    if (!(learningRate > 0)) {
      throw new IllegalArgumentException("learningRate must be positive, found " + learningRate);
    }
  }

  /** Adam's first step at 10⁻³: the authors' code. */
  public static InfluenceApproximation published() {
    return new InfluenceApproximation(1e-3, true);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    task.requireClasses("for the gradients of the cross-entropy");
    Recorder recorder = new Recorder();
    recorder.phase("update", () -> step(model, backend, task, listener));
    return recorder.trace();
  }

  private void step(Model model, Backend backend, Forgetting task, Listener listener) {
    Progress progress = (done, total) -> listener.report("update", done, total);
    try (Arena arena = Arena.ofShared()) {
      Parameters retain = model.parameters().zerosLike(arena);
      Parameters forget = model.parameters().zerosLike(arena);
      SummedGradient.of(
          model, backend, task.retain(), task.normalisation(), BATCH, progress, retain);
      SummedGradient.of(
          model, backend, task.forget(), task.normalisation(), BATCH, progress, forget);
      for (long i = 0; i < retain.count(); i++) {
        double g =
            (double) retain.flat().get(i) / task.retain().size()
                - (double) forget.flat().get(i) / task.forget().size();
        double by = adam ? g / (Math.abs(g) + EPSILON) : g;
        double moved = model.parameters().flat().get(i) - learningRate * by;
        model.parameters().flat().set(i, (float) moved);
      }
    }
  }
}
