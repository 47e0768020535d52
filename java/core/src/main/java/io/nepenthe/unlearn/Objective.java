package io.nepenthe.unlearn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.nn.Loss;
import io.nepenthe.tensor.Tensor;

/** A loss of each sample, which may depend on which sample it is. */
@FunctionalInterface
interface Objective {
  /**
   * The losses of a batch, and their gradients, where the outputs are.
   *
   * @param objectives of the backend that holds the tensors
   * @param output batch × classes
   * @param batch the samples' labels and ids, in its first entries
   * @param term what becomes of the losses
   * @param gradient batch × classes: row n receives the scaled gradient of loss n
   */
  void evaluate(Objectives objectives, Tensor output, Batch batch, LossTerm term, Tensor gradient);

  /** What is known of the samples of a batch; reused from one batch to the next. */
  record Batch(int[] labels, long[] ids) {
    Batch(int size) {
      this(new int[size], new long[size]);
    }
  }

  /** A loss against the data's own labels. */
  static Objective of(Loss loss) {
    return (objectives, output, batch, term, gradient) ->
        loss.evaluate(objectives, output, batch.labels(), term, gradient);
  }
}
