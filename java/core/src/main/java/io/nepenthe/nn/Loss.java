package io.nepenthe.nn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.kernel.Tally;
import io.nepenthe.tensor.Tensor;

/** A loss of each sample against its class, with its gradient. */
public sealed interface Loss permits CrossEntropy, MeanSquaredError, SquaredError {
  /**
   * The losses of the samples, and their gradients.
   *
   * @param output batch × classes
   * @param labels the class of each sample, in the first batch entries
   * @param losses receives each sample's loss in its first batch entries
   * @param gradient batch × classes: row n receives the gradient of loss n with respect to output
   *     n; may be {@code output}
   * @return the sum of the losses
   * @throws IllegalArgumentException if a shape is wrong, an array is too short, or a label is not
   *     a class
   */
  double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient);

  /**
   * The same where the outputs are, on the host or a device.
   *
   * @param objectives of the backend that holds the tensors
   * @param tally to which losses are added, and whether each sample's largest output is its label's
   */
  void evaluate(Objectives objectives, Tensor output, int[] labels, Tally tally, Tensor gradient);

  /**
   * The same with losses and gradients of a term.
   *
   * @param term what becomes of them
   */
  void evaluate(Objectives objectives, Tensor output, int[] labels, LossTerm term, Tensor gradient);

  /** Whether it can judge a network of so many outputs on data of so many classes. */
  default boolean fits(long outputs, int classes) {
    return outputs >= classes;
  }

  /** Whether the largest output names a class; else the output is a number. */
  default boolean classifies() {
    return true;
  }
}
