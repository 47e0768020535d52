package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Tally;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * One model being trained: forward pass, loss, backward pass, gradient, optimiser step. In steady
 * state a step allocates no native memory. Close it before the model.
 */
public final class Learner implements AutoCloseable {
  private final Owned owned = new Owned();
  private final Backend backend;
  private final Execution execution;
  private final GradientAccumulator gradient;
  private final OptimiserState optimiser;
  private final Loss loss;
  private final Tally tally;

  /**
   * A learner for batches of up to {@code maxBatch} samples.
   *
   * @param mode {@link Mode#TRAIN}, or {@link Mode#FROZEN} to leave the running statistics alone
   * @param optimiser its state, which the learner closes, also where this fails
   */
  public Learner(
      Model model, Backend backend, int maxBatch, Mode mode, OptimiserState optimiser, Loss loss) {
    if (!mode.backward()) {
      optimiser.close();
      throw new IllegalArgumentException("mode " + mode + " has no backward pass");
    }
    this.backend = backend;
    this.optimiser = owned.take(() -> optimiser, OptimiserState::close);
    this.execution =
        owned.take(() -> new Execution(model, backend, maxBatch, mode), Execution::close);
    this.gradient =
        owned.take(() -> GradientAccumulator.resident(model, backend), GradientAccumulator::close);
    this.loss = loss;
    Arena arena = owned.take(Arena::ofShared, Arena::close);
    this.tally = owned.make(() -> Tally.zero(arena, backend, maxBatch));
  }

  /** The passes; fill {@link Execution#input} before {@link #step}. */
  public Execution execution() {
    return execution;
  }

  /** Losses and hits of every step's samples, each under the weights just before its step. */
  public Tally tally() {
    return tally;
  }

  /**
   * A step down the mean loss of the batch in {@link Execution#input}; on a device nobody waits for
   * it.
   *
   * @param batch samples
   * @param labels their classes
   * @param rateFactor multiplies the optimiser's learning rate
   */
  public void step(int batch, int[] labels, double rateFactor) {
    step(batch, labels, rateFactor, 1f / batch);
  }

  /**
   * A step down {@code gradientScale} times the sum of the batch's losses; up, where it is
   * negative.
   */
  public void step(int batch, int[] labels, double rateFactor, float gradientScale) {
    gradient.clear();
    execution.pass(batch);
    execution.backward(
        (output, start) -> loss.evaluate(backend.objectives(), output, labels, tally, start),
        gradient);
    optimiser.step(gradient.gradient(), rateFactor, gradientScale);
  }

  /** The passes' and the gradient's planned implementations. */
  List<String> implementations() {
    List<String> all = new ArrayList<>(execution.implementations());
    all.addAll(gradient.implementations());
    return all;
  }

  /** Releases everything but model and backend; closing again does nothing. */
  @Override
  public void close() {
    owned.close();
  }
}
