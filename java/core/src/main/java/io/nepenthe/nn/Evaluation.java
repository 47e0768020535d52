package io.nepenthe.nn;

import io.nepenthe.data.Dataset;
import io.nepenthe.kernel.Losses;
import io.nepenthe.tensor.Tensor;

/**
 * How well outputs match labels.
 *
 * @param samples how many there were
 * @param correct how many had their label's output as the largest (the first of equals counts)
 * @param meanLoss the mean cross-entropy
 */
public record Evaluation(long samples, long correct, double meanLoss) {
  /** Correct over all: 0 to 1. */
  public double accuracy() {
    return (double) correct / samples;
  }

  /**
   * Of the outputs for a data set, in its order.
   *
   * @param logits samples × classes
   * @throws IllegalArgumentException if there is not one row a sample and one column a class
   */
  public static Evaluation of(Tensor logits, Dataset dataset) {
    if (logits.shape().rank() != 2 || logits.shape().size(0) != dataset.size()) {
      throw new IllegalArgumentException(
          "outputs of shape " + logits.shape() + " for " + dataset.size() + " samples");
    }
    long classes = logits.shape().size(1);
    if (classes < dataset.classes()) {
      throw new IllegalArgumentException(
          classes + " outputs for the " + dataset.classes() + " classes of " + dataset.name());
    }
    long correct = 0;
    double loss = 0;
    for (long n = 0; n < dataset.size(); n++) {
      int label = dataset.label(n);
      correct += Losses.largest(logits, n * classes, classes) == label ? 1 : 0;
      loss += CrossEntropy.loss(logits, n * classes, classes, label);
    }
    return new Evaluation(dataset.size(), correct, loss / dataset.size());
  }
}
