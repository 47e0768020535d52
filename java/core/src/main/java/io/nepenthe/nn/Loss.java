package io.nepenthe.nn;

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

  /** Whether it can judge a network of so many outputs on data of so many classes. */
  default boolean fits(long outputs, int classes) {
    return outputs >= classes;
  }

  /** Whether the largest output names a class; else the output is a number. */
  default boolean classifies() {
    return true;
  }

  /** Checks what {@link #evaluate} takes. */
  static void check(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    if (output.shape().rank() != 2 || !gradient.shape().equals(output.shape())) {
      throw new IllegalArgumentException(
          "output and gradient must be batch × classes, found "
              + output.shape()
              + " and "
              + gradient.shape());
    }
    long batch = output.shape().size(0);
    if (labels.length < batch || losses.length < batch) {
      throw new IllegalArgumentException(
          "a batch of "
              + batch
              + " with "
              + labels.length
              + " labels and room for "
              + losses.length
              + " losses");
    }
    long classes = output.shape().size(1);
    for (int n = 0; n < batch; n++) {
      if (labels[n] < 0 || labels[n] >= classes) {
        throw new IllegalArgumentException(
            "label " + labels[n] + " of sample " + n + " is not one of " + classes + " classes");
      }
    }
  }
}
