package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import java.util.List;
import java.util.function.Supplier;

/**
 * The two importances that SSD compares: of D_r ∪ D_f, and of D_f. It owns them.
 *
 * @param whole I_D
 * @param forget I_f
 */
record Importances(FisherDiagonal whole, FisherDiagonal forget) implements AutoCloseable {
  /** Computes both; D_f is passed once where per-sample sums allow it. */
  static Importances of(
      Model model,
      Backend backend,
      Forgetting task,
      FisherDiagonal.Options options,
      Recorder recorder,
      Listener listener) {
    return recorder.phase(
        "statistics",
        () -> {
          long all = task.retain().size() + task.forget().size();
          FisherDiagonal forget =
              fisher(model, backend, task, task.forget(), options, listener, 0, all);
          try {
            if (options.batchSquared()) {
              // Squares of batch means do not add up: the whole is passed on its own.
              Dataset both =
                  Datasets.concatenate("training", List.of(task.retain(), task.forget()));
              return new Importances(
                  fisher(model, backend, task, both, options, listener, 0, all), forget);
            }
            try (FisherDiagonal retain =
                fisher(
                    model,
                    backend,
                    task,
                    task.retain(),
                    options,
                    listener,
                    task.forget().size(),
                    all)) {
              return new Importances(retain.union(forget), forget);
            }
          } catch (RuntimeException | Error e) {
            // Whoever listens may end it.
            forget.close();
            throw e;
          }
        });
  }

  private static FisherDiagonal fisher(
      Model model,
      Backend backend,
      Forgetting task,
      Dataset data,
      FisherDiagonal.Options options,
      Listener listener,
      long before,
      long all) {
    return FisherDiagonal.of(
        model,
        backend,
        data,
        task.normalisation(),
        task.recipe().loss(),
        options,
        (done, total) -> listener.report("statistics", before + done, all));
  }

  /** Dampens, and notes what was selected. */
  static void dampen(Recorder recorder, Supplier<Ssd.Outcome> dampening, Model model) {
    Ssd.Outcome outcome = recorder.phase("update", dampening);
    recorder.figure("selected", outcome.selected());
    recorder.figure("selectedShare", (double) outcome.selected() / model.parameters().count());
    recorder.figure("nonFinite", outcome.nonFinite());
  }

  @Override
  public void close() {
    whole.close();
    forget.close();
  }
}
