package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskedAdam;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Schedule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * SCRUB: the student leaves the teacher θ₀ on D_f and stays with it on D_r (Kurmanji,
 * Triantafillou, Hayes, Triantafillou: "Towards unbounded machine unlearning", NeurIPS 2023). In
 * epoch e = 1…E: if e ≤ {@code maximiseEpochs}, a pass over D_f that climbs KD; then a pass over
 * D_r down γ·loss + α·KD. KD is T²·KL(teacher ‖ student) at temperature T. The rate is multiplied
 * by 0.1 after each milestone.
 *
 * <p>With {@code rewind} (SCRUB+R) the weights after every epoch are kept, and those are chosen
 * whose error on D_f is nearest to the last weights' error on held-out samples of D_f's classes:
 * the error that a model has on such samples when it never saw them.
 *
 * @param steps how; the batch size is that of D_r
 * @param forgetBatchSize that of D_f
 * @param gamma γ
 * @param alpha α
 * @param temperature T
 * @param maximiseEpochs the epochs that climb
 * @param milestones epochs, counted from 1, after which the rate falls
 * @param rewind whether the epoch is chosen afterwards; needs held-out data
 */
public record Scrub(
    Steps steps,
    int forgetBatchSize,
    double gamma,
    double alpha,
    double temperature,
    int maximiseEpochs,
    List<Integer> milestones,
    boolean rewind)
    implements GradientMethod {
  /** Checks the numbers. */
  public Scrub {
    milestones = List.copyOf(milestones);
    if (forgetBatchSize < 1 || !(temperature > 0) || maximiseEpochs < 0) {
      throw new IllegalArgumentException(
          "forgetBatchSize and temperature must be positive, maximiseEpochs not negative: "
              + forgetBatchSize
              + ", "
              + temperature
              + ", "
              + maximiseEpochs);
    }
  }

  /**
   * γ = 1, α = 0.5, T = 2, 3 climbing epochs of 10, Adam at 5·10⁻⁴ with decay 0.1, milestones 5, 8,
   * 9, batches of 64 and 32: the authors' small-scale setting.
   */
  public static Scrub published() {
    MaskedAdam.Options adam = new MaskedAdam.Options(5e-4f, 0.9, 0.999, 1e-8f, 0.1f, false, 1);
    return new Scrub(
        new Steps(10, 64, new Optimiser.Adam(adam)), 32, 1, 0.5, 2, 3, List.of(5, 8, 9), false);
  }

  /** The same with the choice of the epoch. */
  public Scrub withRewind() {
    return new Scrub(
        steps, forgetBatchSize, gamma, alpha, temperature, maximiseEpochs, milestones, true);
  }

  @Override
  public boolean needsHeldOut() {
    return rewind;
  }

  @Override
  public void require(Network network, Forgetting task) {
    if (rewind) {
      heldOutOfForgottenClasses(task);
    }
  }

  @Override
  public Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener) {
    Recorder recorder = new Recorder();
    if (rewind) {
      task.requireClasses("to count right answers after every epoch");
    }
    Optional<Dataset> judge =
        rewind ? Optional.of(heldOutOfForgottenClasses(task)) : Optional.empty();
    Steps largest =
        new Steps(steps.epochs(), Math.max(steps.batchSize(), forgetBatchSize), steps.optimiser());
    // "After milestone m" of epochs from 1 is from index m on of epochs from 0.
    Schedule schedule = new Schedule.Steps(milestones, 0.1);
    Walk.Ground ground =
        Walk.Ground.of(model, backend, task, largest, mask, seed, listener).withSchedule(schedule);
    List<float[]> checkpoints = new ArrayList<>();
    try (Teacher forget = teacher(recorder, ground, task.forget());
        Teacher retain = teacher(recorder, ground, task.retain())) {
      walk(ground, recorder, forget, retain, checkpoints);
    }
    judge.ifPresent(
        data -> {
          int chosen =
              recorder.phase("search", () -> choose(model, backend, task, data, checkpoints));
          recorder.figure("epoch", chosen);
        });
    return recorder.trace();
  }

  private static Teacher teacher(Recorder recorder, Walk.Ground ground, Dataset data) {
    return recorder.phase(
        "teacher",
        () -> Teacher.of(ground.model(), ground.backend(), data, ground.task().normalisation()));
  }

  private void walk(
      Walk.Ground ground,
      Recorder recorder,
      Teacher ofForget,
      Teacher ofRetain,
      List<float[]> checkpoints) {
    Forgetting task = ground.task();
    Loss loss = task.recipe().loss();
    Objective leave = Distillation.from(ofForget, temperature, loss);
    Objective stay = new Distillation(ofRetain, temperature, alpha, gamma, loss);
    long samples =
        steps.epochs() * task.retain().size()
            + Math.min(maximiseEpochs, steps.epochs()) * task.forget().size();
    ground.walk(
        recorder,
        samples,
        walk -> {
          for (int epoch = 0; epoch < steps.epochs(); epoch++) {
            if (epoch < maximiseEpochs) {
              Batches forget =
                  Batches.shuffled(task.forget(), forgetBatchSize, ground.seed(), epoch);
              walk.pass("forget", forget, epoch, leave, -1, Walk.Adjustment.NONE);
            }
            Batches retain =
                Batches.shuffled(task.retain(), steps.batchSize(), ground.seed(), epoch);
            walk.pass("retain", retain, epoch, stay, 1, Walk.Adjustment.NONE);
            if (rewind) {
              walk.descent().bring();
              checkpoints.add(snapshot(ground.model()));
            }
          }
        });
  }

  private static float[] snapshot(Model model) {
    float[] weights = model.parameters().flat().toArray();
    float[] buffers = model.buffers().flat().toArray();
    float[] all = Arrays.copyOf(weights, weights.length + buffers.length);
    System.arraycopy(buffers, 0, all, weights.length, buffers.length);
    return all;
  }

  private static void restore(Model model, float... all) {
    int weights = Math.toIntExact(model.parameters().count());
    for (int j = 0; j < all.length; j++) {
      if (j < weights) {
        model.parameters().flat().set(j, all[j]);
      } else {
        model.buffers().flat().set(j - weights, all[j]);
      }
    }
  }

  /** Leaves the chosen epoch's weights in the model. */
  private int choose(
      Model model, Backend backend, Forgetting task, Dataset judge, List<float[]> checkpoints) {
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      double wanted = predictor.evaluate(judge, task.normalisation()).accuracy();
      int best = 0;
      double nearest = Double.POSITIVE_INFINITY;
      for (int epoch = 0; epoch < checkpoints.size(); epoch++) {
        restore(model, checkpoints.get(epoch));
        double found = predictor.evaluate(task.forget(), task.normalisation()).accuracy();
        if (Math.abs(found - wanted) < nearest) {
          nearest = Math.abs(found - wanted);
          best = epoch;
        }
      }
      restore(model, checkpoints.get(best));
      return best;
    }
  }

  private static Dataset heldOutOfForgottenClasses(Forgetting task) {
    Dataset heldOut = task.requireHeldOut("to choose the epoch to go back to");
    boolean[] forgotten = new boolean[task.forget().classes()];
    for (long i = 0; i < task.forget().size(); i++) {
      forgotten[task.forget().label(i)] = true;
    }
    int[] labels = IntStream.range(0, forgotten.length).filter(c -> forgotten[c]).toArray();
    Dataset judge = Datasets.ofClasses(heldOut, labels);
    if (judge.size() == 0) {
      throw new IllegalArgumentException("the held-out data have none of the forgotten classes");
    }
    return judge;
  }
}
