package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Trainer;

/**
 * Training anew on D_r by the task's recipe: the standard that privacy tasks are judged against.
 * Every weight and every running statistic is drawn or reset first; nothing of the old model is
 * left.
 */
public record Retrain() implements Method {
  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    // Before the old weights are gone.
    task.requireFit(model);
    Recorder recorder = new Recorder();
    recorder.phase(
        "update",
        () -> {
          try (Model fresh = Model.initialise(model.network(), seed)) {
            model.copyFrom(fresh);
          }
          Trainer recipe = task.recipe().withSeed(seed);
          long total = recipe.epochs() * task.retain().size();
          recipe.train(
              model,
              backend,
              task.retain(),
              task.normalisation(),
              epoch -> {
                recorder.epoch("retain", epoch.epoch(), epoch.meanLoss());
                listener.report("update", (epoch.epoch() + 1) * task.retain().size(), total);
              });
        });
    return recorder.trace();
  }
}
