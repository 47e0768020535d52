package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import java.util.Optional;

/** The passes of one gradient method: shuffled epochs, progress and trace. */
final class Walk implements AutoCloseable {
  private final Descent descent;
  private final Steps steps;
  private final long seed;
  private final Listener listener;
  private final Recorder recorder;
  private final long total;
  private long done;

  /** What changes the gradient after it was added and before it is followed. */
  @FunctionalInterface
  interface Adjustment {
    Adjustment NONE = () -> {};

    void apply();
  }

  /**
   * A walk of as many samples as {@code total}, counted for the listener.
   *
   * @param recorder gets an entry a pass
   */
  Walk(
      Model model,
      Backend backend,
      Forgetting task,
      Steps steps,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener,
      Recorder recorder,
      long total) {
    task.requireFit(model);
    this.descent = new Descent(model, backend, steps, task.normalisation(), mask, seed);
    this.steps = steps;
    this.seed = seed;
    this.listener = listener;
    this.recorder = recorder;
    this.total = total;
  }

  Descent descent() {
    return descent;
  }

  /** The batches of an epoch, in an order of its own. */
  Batches batches(Dataset data, int epoch) {
    return Batches.shuffled(data, steps.batchSize(), seed, epoch);
  }

  /** One pass down {@code weight} times the objective, a step a batch. */
  void pass(
      String over,
      Dataset data,
      int epoch,
      Objective objective,
      double weight,
      double rate,
      Adjustment adjustment) {
    Batches batches = batches(data, epoch);
    double sum = 0;
    for (long b = 0; b < batches.count(); b++) {
      sum += descent.add(batches, b, objective, weight);
      adjustment.apply();
      descent.step(rate);
      advance(Descent.size(batches, b));
    }
    recorder.epoch(over, epoch, weight * sum / data.size());
  }

  void pass(String over, Dataset data, int epoch, Objective objective, double weight) {
    pass(over, data, epoch, objective, weight, 1, Adjustment.NONE);
  }

  /** Tells the listener of some more samples. */
  void advance(long samples) {
    done += samples;
    listener.report("update", done, total);
  }

  @Override
  public void close() {
    descent.close();
  }
}
