package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Optional;

/**
 * Gradient ascent: climbs the training loss on D_f (Thudi et al., "Unrolling SGD", EuroS&amp;P
 * 2022). Nothing stops it: too long a climb ruins the model. Weight decay still acts.
 *
 * @param steps how
 */
public record GradientAscent(Steps steps) implements GradientMethod {
  /**
   * 5 epochs of SGD at 10⁻⁴, momentum 0.9, decay 5·10⁻⁴, batches of 256: Jia et al., "Model
   * sparsity can simplify machine unlearning", NeurIPS 2023, and its code.
   */
  public static GradientAscent published() {
    return new GradientAscent(new Steps(5, 256, Optimiser.sgd(1e-4, 0.9, 5e-4)));
  }

  @Override
  public Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener) {
    return Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
        .epochs("forget", task.forget(), Objective.of(task.recipe().loss()), -1);
  }
}
