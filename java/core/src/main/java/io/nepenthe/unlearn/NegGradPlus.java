package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Optional;

/**
 * NegGrad+: each step descends a·L(retain batch) − (1 − a)·L(forget batch), both means; the forget
 * set is gone through again and again, shuffled anew each time (Kurmanji et al., "Towards unbounded
 * machine unlearning", NeurIPS 2023).
 *
 * @param steps how; an epoch is a pass over D_r
 * @param retainWeight a, in (0, 1]
 */
public record NegGradPlus(Steps steps, double retainWeight) implements GradientMethod {
  /** Checks the weight. */
  public NegGradPlus {
    if (!(retainWeight > 0 && retainWeight <= 1)) {
      throw new IllegalArgumentException("retainWeight must be in (0, 1], found " + retainWeight);
    }
  }

  /**
   * a = 0.95, 10 epochs of SGD at 0.01, momentum 0.9, decay 5·10⁻⁴, batches of 128: the paper's
   * small-scale setting.
   */
  public static NegGradPlus published() {
    return new NegGradPlus(new Steps(10, 128, Optimiser.sgd(0.01, 0.9, 5e-4)), 0.95);
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
        .walk(steps.epochs() * task.retain().size(), walk -> walk(walk, task));
  }

  private void walk(Walk walk, Forgetting task) {
    Objective training = Objective.of(task.recipe().loss());
    int round = 0;
    long next = 0;
    Batches forget = walk.batches(task.forget(), round);
    for (int epoch = 0; epoch < steps.epochs(); epoch++) {
      Batches retain = walk.batches(task.retain(), epoch);
      for (long b = 0; b < retain.count(); b++) {
        if (next == forget.count()) {
          forget = walk.batches(task.forget(), ++round);
          next = 0;
        }
        add(walk.descent(), retain, b, training, retainWeight);
        add(walk.descent(), forget, next++, training, retainWeight - 1);
        walk.descent().step(walk.rate(epoch, b, retain.count()));
        walk.advance(retain.size(b));
      }
      walk.record("both", epoch, walk.descent().takeLosses() / retain.count());
    }
  }

  private static void add(
      Descent descent, Batches batches, long index, Objective objective, double weight) {
    descent.add(batches, index, objective, weight, weight / batches.size(index));
  }
}
