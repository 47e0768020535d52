package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Schedule;
import java.util.Optional;
import java.util.function.Consumer;

/** The passes of one gradient method: shuffled epochs, learning rates, progress and trace. */
final class Walk implements AutoCloseable {
  private final Descent descent;
  private final Ground ground;
  private final Recorder recorder;
  private final long total;
  private long done;

  /**
   * What a walk is over.
   *
   * @param schedule the learning rate over the steps of a pass
   * @param firstTrained the first node that is trained; 0 for all
   */
  record Ground(
      Model model,
      Backend backend,
      Forgetting task,
      Steps steps,
      Schedule schedule,
      Optional<Mask.Part> mask,
      int firstTrained,
      long seed,
      Listener listener) {
    /** All nodes, at a constant rate. */
    static Ground of(
        Model model,
        Backend backend,
        Forgetting task,
        Steps steps,
        Optional<Mask.Part> mask,
        long seed,
        Listener listener) {
      task.requireFit(model);
      return new Ground(
          model, backend, task, steps, new Schedule.Constant(), mask, 0, seed, listener);
    }

    Ground withSchedule(Schedule other) {
      return new Ground(model, backend, task, steps, other, mask, firstTrained, seed, listener);
    }

    /** Only the tail of the network, whose parameters the mask selects. */
    Ground withTail(Mask.Part tail, int first) {
      return new Ground(
          model, backend, task, steps, schedule, Optional.of(tail), first, seed, listener);
    }

    /** Runs the passes as the phase "update". */
    void walk(Recorder recorder, long samples, Consumer<Walk> passes) {
      recorder.phase(
          "update",
          () -> {
            try (Walk walk = new Walk(this, recorder, samples)) {
              passes.accept(walk);
              walk.descent.bring();
            }
          });
    }

    /** The same, with nothing else to record. */
    Trace walk(long samples, Consumer<Walk> passes) {
      Recorder recorder = new Recorder();
      walk(recorder, samples, passes);
      return recorder.trace();
    }

    /** Every epoch of the steps over one data set, down {@code weight} times the objective. */
    Trace epochs(String over, Dataset data, Objective objective, double weight) {
      Recorder recorder = new Recorder();
      epochs(recorder, over, data, objective, weight, Adjustment.NONE);
      return recorder.trace();
    }

    /** The same, with more to record, or to change around a step. */
    void epochs(
        Recorder recorder,
        String over,
        Dataset data,
        Objective objective,
        double weight,
        Adjustment adjustment) {
      walk(
          recorder,
          steps.epochs() * data.size(),
          walk -> {
            for (int epoch = 0; epoch < steps.epochs(); epoch++) {
              walk.pass(over, data, epoch, objective, weight, adjustment);
            }
          });
    }
  }

  /** What changes gradient or weights around a step. */
  interface Adjustment {
    /** Changes nothing. */
    Adjustment NONE = new Adjustment() {};

    /** Called when the gradient was added, before it is followed. */
    default void before(Descent descent, int epoch) {}

    /** Called after the step. */
    default void after(Descent descent, int epoch) {}
  }

  private Walk(Ground ground, Recorder recorder, long total) {
    this.ground = ground;
    this.recorder = recorder;
    this.total = total;
    this.descent = new Descent(ground);
  }

  Descent descent() {
    return descent;
  }

  /** The batches of an epoch, in an order of its own. */
  Batches batches(Dataset data, int epoch) {
    return Batches.shuffled(data, ground.steps.batchSize(), ground.seed, epoch);
  }

  /** One pass down {@code weight} times the objective, a step a batch. */
  void pass(String over, Dataset data, int epoch, Objective objective, double weight) {
    pass(over, data, epoch, objective, weight, Adjustment.NONE);
  }

  void pass(
      String over,
      Dataset data,
      int epoch,
      Objective objective,
      double weight,
      Adjustment adjustment) {
    pass(over, batches(data, epoch), epoch, objective, weight, adjustment);
  }

  void pass(
      String over,
      Batches batches,
      int epoch,
      Objective objective,
      double weight,
      Adjustment adjustment) {
    for (long b = 0; b < batches.count(); b++) {
      descent.add(batches, b, objective, weight, 1);
      adjustment.before(descent, epoch);
      descent.step(rate(epoch, b, batches.count()));
      adjustment.after(descent, epoch);
      advance(batches.size(b));
    }
    recorder.epoch(over, epoch, weight * descent.takeLosses() / batches.dataset().size());
  }

  double rate(int epoch, long step, long steps) {
    return ground.schedule.factor(epoch * steps + step, steps, ground.steps.epochs());
  }

  /** Notes a pass that was walked by hand. */
  void record(String over, int epoch, double loss) {
    recorder.epoch(over, epoch, loss);
  }

  /** Tells the listener of some more samples. */
  void advance(long samples) {
    done += samples;
    ground.listener.report("update", done, total);
  }

  @Override
  public void close() {
    descent.close();
  }
}
