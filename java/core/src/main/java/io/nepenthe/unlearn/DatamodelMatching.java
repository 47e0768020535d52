package io.nepenthe.unlearn;

import io.nepenthe.curvature.OutputDerivative;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * Datamodel matching (Georgiev et al., "Attribute-to-delete: machine unlearning via datamodel
 * matching", 2024): influences predict what a model trained without D_f would answer, and the model
 * is fine-tuned to answer so,
 *
 * <pre>
 *   target(x) = f(x; θ) + J(x)·Δθ,      Δθ = H⁻¹v as in {@link InfluenceStep}
 *   θ ← fine-tuning by KL(softmax target ‖ softmax f) on D_f and a part of D_r
 * </pre>
 *
 * <p>J(x)·Δθ is the sum over D_f of the influences on every output at x. Unlike the Newton step,
 * the network only has to follow the prediction where it holds.
 *
 * @param steps of the fine-tuning
 * @param retainShare of D_r that is matched, in (0, 1]
 * @param influence how Δθ is taken
 */
public record DatamodelMatching(Steps steps, double retainShare, InfluenceStep influence)
    implements GradientMethod {
  /** Checks the share. */
  public DatamodelMatching {
    if (!(retainShare > 0 && retainShare <= 1)) {
      throw new IllegalArgumentException("retainShare must be in (0, 1], found " + retainShare);
    }
  }

  /** 5 epochs of Adam at 10⁻⁴, batches of 64, 30 % of D_r, EK-FAC. */
  public static DatamodelMatching defaults() {
    return new DatamodelMatching(
        new Steps(5, 64, Optimiser.adam(1e-4)), 0.3, InfluenceStep.ekfac());
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
    Mixed mixed = new Mixed(task.forget(), part.size() > 0 ? part : task.retain());
    Teacher teacher;
    try (Arena arena = Arena.ofShared()) {
      Parameters step = influence.step(arena, model, backend, task, seed, listener, recorder);
      teacher =
          recorder.phase("predict", () -> predicted(arena, model, backend, task, mixed, step));
    }
    try (teacher) {
      Objective objective = Distillation.from(teacher, 1, task.recipe().loss());
      Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
          .epochs(recorder, "both", mixed.both(), objective, 1, Walk.Adjustment.NONE);
    }
    return recorder.trace();
  }

  /** What a model without D_f is predicted to answer. */
  private Teacher predicted(
      Arena arena, Model model, Backend backend, Forgetting task, Mixed mixed, Parameters step) {
    Tensor change =
        OutputDerivative.of(arena, model, backend, mixed.both(), task.normalisation(), step);
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      Tensor logits = predictor.logits(arena, mixed.both(), task.normalisation());
      for (long i = 0; i < logits.elements(); i++) {
        logits.set(i, (float) (logits.get(i) + influence.rate() * change.get(i)));
      }
      return Teacher.answering(backend, mixed.both(), logits);
    }
  }
}
