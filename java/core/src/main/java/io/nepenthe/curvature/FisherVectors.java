package io.nepenthe.curvature;

import io.nepenthe.nn.Execution;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.tensor.Tensor;

/** The backward passes that a Fisher information takes for a batch. */
final class FisherVectors {
  private final FactorOptions options;
  private final OutputGradients gradients;
  private final long firstDraw;

  /** What hears of the passes. */
  interface Listener extends LayerVisitor {
    /** A pass begins; {@code number} counts those of this batch from 0. */
    void pass(int number);
  }

  /**
   * Passes of a stage.
   *
   * @param stage its draws are independent of another stage's
   */
  FisherVectors(FactorOptions options, int outputs, int stage) {
    this.options = options;
    this.gradients = new OutputGradients(options.likelihood(), outputs);
    this.firstDraw = (long) stage << 32;
  }

  /** Backward passes a sample. */
  int passes() {
    return switch (options.fisher()) {
      case EXACT -> gradients.outputs();
      case SAMPLED -> options.draws();
      case TRUE, NONE -> 1;
    };
  }

  void backward(Execution execution, Tensor outputs, int[] labels, long[] ids, Listener listener) {
    Tensor gradient = execution.outputGradient();
    double weight = 1 / Math.sqrt(options.draws());
    for (int pass = 0; pass < passes(); pass++) {
      for (int n = 0; n < outputs.shape().size(0); n++) {
        switch (options.fisher()) {
          case EXACT -> gradients.exact(outputs, n, pass, gradient);
          case SAMPLED ->
              gradients.sampled(
                  outputs, n, options.seed(), ids[n], firstDraw + pass, weight, gradient);
          case TRUE, NONE -> gradients.loss(outputs, n, labels[n], 1, gradient);
        }
      }
      listener.pass(pass);
      execution.backward(gradient, listener);
    }
  }
}
