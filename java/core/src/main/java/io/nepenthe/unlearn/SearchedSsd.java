package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;

/**
 * {@link Ssd} with the strength that {@link SsdSearch} finds on held-out data of the classes that
 * are not forgotten altogether: I_f of D_f against I_D of D_r ∪ D_f, brought to one mass. The
 * figure {@code verdict} is the ordinal of {@link SsdSearch.Verdict}: after {@link
 * SsdSearch.Verdict#NONE_TOLERATED} the model is as it was, and 0 weights {@code selected}.
 *
 * @param importance how both are computed
 * @param search what is tried and tolerated
 */
public record SearchedSsd(FisherDiagonal.Options importance, SsdSearch search) implements Method {
  /** Per-sample importances in which every sample counts the same, and the usual search. */
  public static SearchedSsd defaults() {
    return new SearchedSsd(
        FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT), SsdSearch.defaults());
  }

  @Override
  public boolean needsHeldOut() {
    return true;
  }

  @Override
  public void require(Network network, Forgetting task) {
    task.requireHeldOut("to choose the strength of SSD");
    if (task.heldOutToKeep().orElseThrow().size() == 0) {
      throw new IllegalArgumentException(
          "the held-out data have none of the classes that are kept");
    }
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    task.requireClasses("to count right answers while searching a strength");
    require(model.network(), task);
    Dataset judge = task.heldOutToKeep().orElseThrow();
    Recorder recorder = new Recorder();
    try (Importances importances =
        Importances.of(model, backend, task, importance.withSeed(seed), recorder, listener)) {
      SsdSearch.Found found =
          recorder.phase(
              "search",
              () ->
                  search.search(
                      model,
                      backend,
                      importances.whole(),
                      importances.forget(),
                      judge,
                      task.forget(),
                      task.normalisation()));
      recorder.figure("verdict", found.verdict().ordinal());
      if (found.verdict() == SsdSearch.Verdict.NONE_TOLERATED) {
        recorder.figure("selected", 0);
        return recorder.trace();
      }
      recorder.figure("selection", found.chosen().selection());
      Importances.dampen(
          recorder,
          () ->
              Ssd.apply(model, backend, importances.whole(), importances.forget(), found.chosen()),
          model);
    }
    return recorder.trace();
  }
}
