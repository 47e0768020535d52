package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.OptimiserState;
import io.nepenthe.nn.Parameters;
import io.nepenthe.tensor.Tensor;

/**
 * A model being changed by gradients of several objectives: a step follows the weighted sum of all
 * that was added since the step before. Native memory is planned once. Close it before the model.
 */
final class Descent implements AutoCloseable {
  private final Execution execution;
  private final GradientAccumulator gradient;
  private final OptimiserState optimiser;
  private final Normalisation normalisation;
  private final Objective.Batch batch;

  /** A descent with running statistics that move and dropout, as in training. */
  Descent(Walk.Ground ground) {
    Steps steps = ground.steps();
    Model model = ground.model();
    Backend backend = ground.backend();
    Parameters parameters = model.parameters();
    Forgetting task = ground.task();
    int largest = (int) Math.min(steps.batchSize(), task.retain().size() + task.forget().size());
    this.execution = new Execution(model, backend, largest, Mode.TRAIN, ground.firstTrained());
    this.gradient = new GradientAccumulator(model, backend);
    this.optimiser =
        ground
            .mask()
            .map(mask -> steps.optimiser().start(parameters, backend, mask))
            .orElseGet(() -> steps.optimiser().start(parameters, backend));
    this.normalisation = task.normalisation();
    this.batch = new Objective.Batch(largest);
    execution.seedDropout(ground.seed());
  }

  /**
   * Adds {@code weight} times the gradient of the batch's mean objective.
   *
   * @return the sum of the samples' losses, not weighted
   */
  double add(Batches batches, long index, Objective objective, double weight) {
    int n = execution.load(batches, index, batch.labels(), batch.ids(), normalisation);
    Tensor output = execution.forward(n);
    Tensor outputGradient = execution.outputGradient();
    double total = objective.evaluate(output, batch, outputGradient);
    float scale = (float) (weight / n);
    for (long i = 0; i < outputGradient.elements(); i++) {
      outputGradient.set(i, outputGradient.get(i) * scale);
    }
    execution.backward(outputGradient, gradient);
    return total;
  }

  /** The gradient that the next step will follow; further terms may be added to it. */
  Parameters gradient() {
    return gradient.gradient();
  }

  /** The weights. */
  Parameters weights() {
    return execution.model().parameters();
  }

  /** Follows what was added. */
  void step(double rateFactor) {
    optimiser.step(gradient.gradient(), rateFactor, 1);
    gradient.clear();
  }

  @Override
  public void close() {
    execution.close();
    gradient.close();
    optimiser.close();
  }
}
