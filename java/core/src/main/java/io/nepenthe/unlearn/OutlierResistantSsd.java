package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.ResidentModel;
import java.lang.foreign.Arena;

/**
 * SSD that outliers do not mislead, with a search for its strength where only a part of the poison
 * is known and the rest is still among the retained samples (Schoepf, Foster, Brintrup: "Potion:
 * Towards poison unlearning", 2024, arXiv 2406.09173). Needs neither labels nor clean held-out
 * data.
 *
 * <ul>
 *   <li>Importance: the mean absolute gradient of ‖logits‖, not of its square, over D_f and over
 *       D_r: a sample with large logits weighs no more than another.
 *   <li>α is a percentile of the ratios I_f/I_D of all weights: 100 − ln(1 + 100·s), and so adapts
 *       to the model. λ = 1.
 *   <li>Search: s starts at |D_f| / |D| / 25 and grows by a tenth until the accuracy on D_f, under
 *       its poisoned labels, is at most ρ times what it was: the trigger is neutralised, and going
 *       on would only cost accuracy.
 * </ul>
 *
 * @param importance how I_f and I_D are computed
 * @param stop ρ, from 0 to 1
 * @param growth of s from one try to the next, above 1
 * @param start what |D_f| / |D| is divided by for the first s
 * @param tries the most
 */
public record OutlierResistantSsd(
    FisherDiagonal.Options importance, double stop, double growth, double start, int tries)
    implements Method {
  /** Checks the numbers. */
  public OutlierResistantSsd {
    if (!(stop >= 0 && stop <= 1) || !(growth > 1) || !(start > 0) || tries < 1) {
      throw new IllegalArgumentException(
          "stop from 0 to 1, growth above 1, start and tries positive: "
              + stop
              + ", "
              + growth
              + ", "
              + start
              + ", "
              + tries);
    }
  }

  /**
   * ρ = 0.05, growth 1.1, start 25, at most 500 tries, batches of 512. All but ρ are the authors'
   * code's, which sweeps ρ from 0 (its default) to 0.75; 0.05 is the second of its values, and
   * heals next to as much as 0 for fewer points of accuracy.
   */
  public static OutlierResistantSsd published() {
    return new OutlierResistantSsd(
        FisherDiagonal.Options.defaults()
            .withLabels(Labels.NONE)
            .withWeighting(Weighting.UNIT)
            .withBatchSquared()
            .withBatchSize(512),
        0.05,
        1.1,
        25,
        500);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    task.requireClasses("to count right answers while searching a strength");
    Recorder recorder = new Recorder();
    try (FisherDiagonal forget =
            recorder.phase("statistics", () -> fisher(model, backend, task, true, seed, listener));
        FisherDiagonal retain =
            recorder.phase(
                "statistics", () -> fisher(model, backend, task, false, seed, listener))) {
      recorder.phase("search", () -> search(model, backend, task, retain, forget, recorder));
    }
    return recorder.trace();
  }

  private FisherDiagonal fisher(
      Model model, Backend backend, Forgetting task, boolean forget, long seed, Listener listener) {
    long before = forget ? 0 : task.forget().size();
    long all = task.forget().size() + task.retain().size();
    return FisherDiagonal.of(
        model,
        backend,
        forget ? task.forget() : task.retain(),
        task.normalisation(),
        importance.withSeed(seed),
        (done, total) -> listener.report("statistics", before + done, all));
  }

  private void search(
      Model model,
      Backend backend,
      Forgetting task,
      FisherDiagonal retain,
      FisherDiagonal forget,
      Recorder recorder) {
    Percentile ratios = new Percentile(forget.values().flat(), retain.values().flat());
    double share =
        (double) task.forget().size() / (task.forget().size() + task.retain().size()) / start;
    try (Arena arena = Arena.ofConfined();
        ResidentModel resident = new ResidentModel(model, backend);
        Model untouched = model.copyTo(backend);
        Predictor predictor = new Predictor(resident.here(), backend, 256)) {
      Parameters retainHere = Ssd.here(arena, backend, retain);
      Parameters forgetHere = Ssd.here(arena, backend, forget);
      double goal = stop * predictor.evaluate(task.forget(), task.normalisation()).accuracy();
      for (int attempt = 0; attempt < tries; attempt++, share *= growth) {
        double percent = Math.max(0, 100 - Math.log(1 + 100 * share));
        double alpha = ratios.at(percent);
        resident.here().copyFrom(untouched);
        Ssd.Outcome outcome =
            Ssd.apply(
                resident.here(),
                backend,
                retainHere,
                forgetHere,
                new Ssd.Options((float) alpha, 1, 1, Ssd.Scale.ABSOLUTE),
                1);
        double left = predictor.evaluate(task.forget(), task.normalisation()).accuracy();
        recorder.figure("percentile", percent);
        recorder.figure("selection", alpha);
        recorder.figure("selected", outcome.selected());
        recorder.figure("tries", attempt + 1);
        recorder.figure("forgetAccuracy", left);
        if (left <= goal) {
          break;
        }
      }
      resident.bring();
    }
  }
}
