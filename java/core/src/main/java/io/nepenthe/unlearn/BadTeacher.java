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
    Teacher good =
        recorder.phase("teacher", () -> Teacher.of(model, backend, kept, task.normalisation()));
    // Another draw than Retrain's or EU-k's with the same seed.
    long bad = ~seed;
    Teacher random =
        recorder.phase(
            "teacher",
            () -> {
              try (Model fresh = Model.initialise(model.network(), bad)) {
                return Teacher.of(fresh, backend, task.forget(), task.normalisation());
              }
            });
    Mixed mixed = new Mixed(task.forget(), kept);
    Objective objective =
        new Distillation(
            id ->
                new Distillation.Answer(mixed.isForgotten(id) ? random : good, mixed.original(id)),
            temperature,
            1,
            0,
            task.recipe().loss());
    Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
        .epochs(recorder, "both", mixed.both(), objective, 1, Walk.Adjustment.NONE);
    return recorder.trace();
  }
}
