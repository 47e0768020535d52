package io.nepenthe.unlearn;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Optional;

/**
 * Bad teaching: on D_f the student follows a network of random weights, on a part of D_r the model
 * as it was; both by KL(teacher ‖ student), a mean over samples (Chundawat, Tarun, Mandal,
 * Kankanhalli: "Can bad teaching induce forgetting?", AAAI 2023). Both teachers answer with running
 * statistics and without gradients.
 *
 * @param steps how
 * @param temperature T of both softmaxes
 * @param retainShare the part of D_r that is used, in (0, 1], drawn by the seed
 */
public record BadTeacher(Steps steps, double temperature, double retainShare)
    implements GradientMethod {
  /** Checks the numbers. */
  public BadTeacher {
    if (!(temperature > 0) || !(retainShare > 0 && retainShare <= 1)) {
      throw new IllegalArgumentException(
          "temperature must be positive, retainShare in (0, 1]: "
              + temperature
              + ", "
              + retainShare);
    }
  }

  /**
   * 1 epoch of Adam at 10⁻⁴, batches of 256, T = 1, 30 % of D_r: the setting in the comparisons of
   * SSD (Foster et al., AAAI 2024), after the authors' own.
   */
  public static BadTeacher published() {
    return new BadTeacher(new Steps(1, 256, Optimiser.adam(1e-4)), 1, 0.3);
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
    Recorder recorder = new Recorder();
    Dataset part = Datasets.split(task.retain(), retainShare, seed).first();
    Dataset kept = part.size() > 0 ? part : task.retain();
    Mixed mixed = new Mixed(task.forget(), kept);
    try (Teacher teachers =
        recorder.phase("teacher", () -> teachers(model, backend, task, mixed, seed))) {
      Objective objective = Distillation.from(teachers, temperature, task.recipe().loss());
      Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
          .epochs(recorder, "both", mixed.both(), objective, 1, Walk.Adjustment.NONE);
    }
    return recorder.trace();
  }

  /** A network drawn anew on what is forgotten, the model as it was on the rest. */
  private static Teacher teachers(
      Model model, Backend backend, Forgetting task, Mixed mixed, long seed) {
    // Another draw than Retrain's or EU-k's with the same seed.
    long bad = ~seed;
    try (Model random = Model.initialise(model.network(), bad)) {
      return Teacher.of(model, random, backend, mixed, task.normalisation());
    }
  }
}
