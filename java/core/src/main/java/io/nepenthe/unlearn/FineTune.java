package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Optional;

/**
 * Fine-tuning: descends the training loss on D_r from the trained weights, and relies on
 * catastrophic forgetting of D_f (Warnecke et al., NDSS 2023; Golatkar et al., CVPR 2020).
 *
 * @param steps how
 */
public record FineTune(Steps steps) implements GradientMethod {
  /**
   * 10 epochs of SGD at 0.01, momentum 0.9, decay 5·10⁻⁴, batches of 256: Jia et al., "Model
   * sparsity can simplify machine unlearning", NeurIPS 2023, and its code.
   */
  public static FineTune published() {
    return new FineTune(new Steps(10, 256, Optimiser.sgd(0.01, 0.9, 5e-4)));
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
        .epochs("retain", task.retain(), Objective.of(task.recipe().loss()), 1);
  }
}
