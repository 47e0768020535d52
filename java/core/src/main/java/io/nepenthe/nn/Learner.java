package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import java.util.ArrayList;
import java.util.List;

/**
 * One model being trained: forward pass, loss, backward pass, gradient, optimiser step. In steady
 * state a step allocates no native memory. Close it before the model.
 */
public final class Learner implements AutoCloseable {
  private final Execution execution;
  private final GradientAccumulator gradient;
  private final OptimiserState optimiser;
  private final Loss loss;
  private final double[] losses;
  private final boolean[] hits;

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
    this.optimiser = optimiser;
    this.execution =
        Owned.orClose(optimiser::close, () -> new Execution(model, backend, maxBatch, mode));
    this.gradient =
        Owned.orClose(
            () -> {
              execution.close();
              optimiser.close();
            },
            () -> GradientAccumulator.resident(model, backend));
    this.loss = loss;
    this.losses = new double[maxBatch];
    this.hits = new boolean[maxBatch];
  }

  /** The passes; fill {@link Execution#input} before {@link #step}. */
  public Execution execution() {
    return execution;
  }

  /** Each sample's loss at the last step, before the weights changed. */
  public double[] losses() {
    return losses;
  }

  /** Of the last step's samples, how many had their label's output as the largest. */
  public int correct(int batch) {
    int correct = 0;
    for (int n = 0; n < batch; n++) {
      correct += hits[n] ? 1 : 0;
    }
    return correct;
  }

  /**
   * A step down the mean loss of the batch in {@link Execution#input}.
   *
   * @param batch samples
   * @param labels their classes
   * @param rateFactor multiplies the optimiser's learning rate
   * @return the sum of the samples' losses
   */
  public double step(int batch, int[] labels, double rateFactor) {
    return step(batch, labels, rateFactor, 1f / batch);
  }

  /**
   * A step down {@code gradientScale} times the sum of the batch's losses; up, where it is
   * negative.
   */
  public double step(int batch, int[] labels, double rateFactor, float gradientScale) {
    gradient.clear();
    double total = accumulate(batch, labels);
    optimiser.step(gradient.gradient(), rateFactor, gradientScale);
    return total;
  }

  private double accumulate(int batch, int[] labels) {
    return execution.learn(batch, labels, loss, losses, hits, gradient);
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
    execution.close();
    gradient.close();
    optimiser.close();
  }
}
