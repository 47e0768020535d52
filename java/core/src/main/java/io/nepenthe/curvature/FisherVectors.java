package io.nepenthe.curvature;

import io.nepenthe.nn.Execution;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.tensor.Tensor;

/** The backward passes that a Fisher information, or an importance, takes for a batch. */
final class FisherVectors {
  private final Labels labels;
  private final int draws;
  private final long seed;
  private final OutputGradients gradients;
  private final long firstDraw;

  /** What hears of the passes. */
  @FunctionalInterface
  interface Listener extends LayerVisitor {
    /** A pass begins; {@code number} counts those of this batch from 0. */
    default void pass(int number) {}

    /** The pass is over. */
    default void passed() {}
  }

  /**
   * Passes of a stage.
   *
   * @param stage its draws are independent of another stage's
   */
  FisherVectors(FactorOptions options, int outputs, int stage) {
    this(
        options.fisher(),
        options.draws(),
        options.seed(),
        new OutputGradients(options.likelihood(), outputs),
        stage);
  }

  FisherVectors(Labels labels, int draws, long seed, OutputGradients gradients, int stage) {
    this.labels = labels;
    this.draws = draws;
    this.seed = seed;
    this.gradients = gradients;
    this.firstDraw = (long) stage << 32;
  }

  /** Backward passes a sample. */
  int passes() {
    return switch (labels) {
      case EXACT -> gradients.outputs();
      case SAMPLED -> draws;
      case TRUE, NONE -> 1;
    };
  }

  void backward(Execution execution, Tensor outputs, int[] labels, long[] ids, Listener listener) {
    backward(execution, outputs, labels, ids, 1, listener);
  }

  /**
   * Runs them.
   *
   * @param weight every vector's factor
   */
  void backward(
      Execution execution,
      Tensor outputs,
      int[] labels,
      long[] ids,
      double weight,
      Listener listener) {
    Tensor gradient = execution.outputGradient();
    double share = weight / Math.sqrt(draws);
    for (int pass = 0; pass < passes(); pass++) {
      for (int n = 0; n < outputs.shape().size(0); n++) {
        switch (this.labels) {
          case EXACT -> gradients.exact(outputs, n, pass, weight, gradient);
          case SAMPLED ->
              gradients.sampled(outputs, n, seed, ids[n], firstDraw + pass, share, gradient);
          case TRUE -> gradients.loss(outputs, n, labels[n], weight, gradient);
          case NONE -> gradients.squaredNorm(outputs, n, weight, gradient);
        }
      }
      listener.pass(pass);
      execution.backward(gradient, listener);
      listener.passed();
    }
  }
}
