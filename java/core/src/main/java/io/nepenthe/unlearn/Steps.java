package io.nepenthe.unlearn;

import io.nepenthe.nn.Optimiser;

/**
 * How a method walks.
 *
 * @param epochs passes over the data
 * @param batchSize samples a step
 * @param optimiser how weights follow the gradient
 */
public record Steps(int epochs, int batchSize, Optimiser optimiser) {
  /** Checks the numbers. */
  public Steps {
    if (epochs < 1 || batchSize < 1) {
      throw new IllegalArgumentException(
          "epochs and batchSize must be positive, found " + epochs + " and " + batchSize);
    }
  }

  /** The optimiser's base learning rate. */
  double learningRate() {
    return switch (optimiser) {
      case Optimiser.Sgd sgd -> sgd.options().learningRate();
      case Optimiser.Adam adam -> adam.options().learningRate();
    };
  }
}
