package io.nepenthe.unlearn;

import io.nepenthe.nn.Loss;
import io.nepenthe.tensor.Tensor;

/** A loss of each sample, which may depend on which sample it is. */
@FunctionalInterface
interface Objective {
  /**
   * The losses of a batch, and their gradients.
   *
   * @param output batch × classes
   * @param batch the samples' labels and ids, in its first entries
   * @param gradient batch × classes: row n receives the gradient of loss n
   * @return the sum of the losses
   */
  double evaluate(Tensor output, Batch batch, Tensor gradient);

  /** What is known of the samples of a batch; reused from one batch to the next. */
  record Batch(int[] labels, long[] ids, double[] losses) {
    Batch(int size) {
      this(new int[size], new long[size], new double[size]);
    }
  }

  /** A loss against the data's own labels. */
  static Objective of(Loss loss) {
    return (output, batch, gradient) ->
        loss.evaluate(output, batch.labels(), batch.losses(), gradient);
  }
}
