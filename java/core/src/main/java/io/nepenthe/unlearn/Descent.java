package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.LossSum;
import io.nepenthe.kernel.LossTerm;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.OptimiserState;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ResidentModel;
import java.lang.foreign.Arena;

/**
 * A model being changed by gradients of several objectives: a step follows the weighted sum of all
 * that was added since the step before. On a device all of it stays there, and no step waits for
 * it: the model's values and the losses come to the host when they are asked for. Native memory is
 * planned once. Close it before the model.
 */
final class Descent implements AutoCloseable {
  private final Owned owned = new Owned();
  private final Backend backend;
  private final ResidentModel resident;
  private final Execution execution;
  private final GradientAccumulator gradient;
  private final OptimiserState optimiser;
  private final Normalisation normalisation;
  private final Objective.Batch batch;
  private final LossSum losses;

  /** A descent with running statistics that move and dropout, as in training. */
  Descent(Walk.Ground ground) {
    Steps steps = ground.steps();
    this.backend = ground.backend();
    this.resident =
        owned.take(() -> new ResidentModel(ground.model(), backend), ResidentModel::close);
    Model model = resident.here();
    Parameters parameters = model.parameters();
    Forgetting task = ground.task();
    int largest = (int) Math.min(steps.batchSize(), task.retain().size() + task.forget().size());
    this.execution =
        owned.take(
            () -> new Execution(model, backend, largest, Mode.TRAIN, ground.firstTrained()),
            Execution::close);
    this.gradient =
        owned.take(() -> GradientAccumulator.resident(model, backend), GradientAccumulator::close);
    this.optimiser =
        owned.take(
            () ->
                ground
                    .mask()
                    .map(mask -> steps.optimiser().start(parameters, backend, mask))
                    .orElseGet(() -> steps.optimiser().start(parameters, backend)),
            OptimiserState::close);
    this.normalisation = task.normalisation();
    this.batch = new Objective.Batch(largest);
    Arena arena = owned.take(Arena::ofShared, Arena::close);
    this.losses = owned.make(() -> LossSum.zero(arena, backend));
    execution.seedDropout(ground.seed());
  }

  /**
   * Adds {@code weight} times the gradient of the batch's mean objective, and {@code share} times
   * the sum of its samples' losses to what {@link #takeLosses} will give.
   */
  void add(Batches batches, long index, Objective objective, double weight, double share) {
    int n = execution.load(batches, index, batch.labels(), batch.ids(), normalisation);
    execution.pass(n);
    LossTerm term = new LossTerm((float) (weight / n), share, losses);
    execution.backward(
        (output, start) -> objective.evaluate(backend.objectives(), output, batch, term, start),
        gradient);
  }

  /** The losses that were added since it was last asked; this waits for the device. */
  double takeLosses() {
    double sum = losses.value();
    losses.clear();
    return sum;
  }

  /** Adds the subgradient of gamma·‖θ‖₁ to what the next step will follow. */
  void penalise(float gamma) {
    backend.addSigns(gradient.gradient().flat(), resident.here().parameters().flat(), gamma);
  }

  /** Moves the weights that may change towards 0 by {@code threshold}, and no further. */
  void shrink(float threshold) {
    optimiser.shrink(threshold);
  }

  /** Gives the model on the host the weights and the running statistics as they are now. */
  void bring() {
    resident.bring();
  }

  /** Follows what was added. */
  void step(double rateFactor) {
    optimiser.step(gradient.gradient(), rateFactor, 1);
    gradient.clear();
  }

  @Override
  public void close() {
    owned.close();
  }
}
