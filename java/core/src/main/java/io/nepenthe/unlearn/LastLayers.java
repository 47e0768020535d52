package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Schedule;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * EU-k and CF-k: only the last k convolutions or linear layers are trained on D_r, after they were
 * drawn anew (exact unlearning of k layers) or as they are (catastrophic forgetting of k layers)
 * (Goel et al., "Towards adversarial evaluations for inexact machine unlearning", 2022). What comes
 * before them is frozen altogether: weights, running statistics, dropout.
 *
 * @param layers k; −1 for all
 * @param reinitialise true for EU-k, false for CF-k
 * @param steps how
 * @param schedule the learning rate over the steps
 */
public record LastLayers(int layers, boolean reinitialise, Steps steps, Schedule schedule)
    implements Method {
  /**
   * EU-k by the recipe of a training, whose batches and rates it repeats, as the paper does.
   *
   * @param k the layers; −1 for all
   */
  public static Method exact(int k) {
    return new ByRecipe(k);
  }

  /**
   * CF-2: 10 epochs of SGD at 0.01, momentum 0.9, decay 5·10⁻⁴, batches of 128: Kurmanji et al.,
   * "Towards unbounded machine unlearning", NeurIPS 2023, for this baseline.
   */
  public static LastLayers forgetting() {
    Steps steps = new Steps(10, 128, Optimiser.sgd(0.01, 0.9, 5e-4));
    return new LastLayers(2, false, steps, new Schedule.Constant());
  }

  /**
   * EU-k with the task's own recipe.
   *
   * @param layers k; −1 for all
   */
  public record ByRecipe(int layers) implements Method {
    @Override
    public Trace forget(
        Model model, Backend backend, Forgetting task, long seed, Listener listener) {
      Steps steps =
          new Steps(task.recipe().epochs(), task.recipe().batchSize(), task.recipe().optimiser());
      return new LastLayers(layers, true, steps, task.recipe().schedule())
          .forget(model, backend, task, seed, listener);
    }
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    Tail tail = Tail.of(model, layers);
    if (reinitialise) {
      tail.reinitialise(model, seed);
    }
    try (Arena arena = Arena.ofConfined()) {
      return Walk.Ground.of(model, backend, task, steps, Optional.empty(), seed, listener)
          .withSchedule(schedule)
          .withTail(tail.mask(arena, model), tail.firstNode())
          .epochs("retain", task.retain(), Objective.of(task.recipe().loss()), 1);
    }
  }
}
