package io.nepenthe.nn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Losses;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.kernel.Tally;
import io.nepenthe.tensor.Tensor;

/**
 * Cross-entropy of the softmax: ℓ = log Σ exp(z_c − max z) − (z_label − max z), natural logarithm;
 * gradient p − onehot(label). Computed in float64, rounded once.
 */
public record CrossEntropy() implements Loss {
  @Override
  public double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    return Losses.crossEntropy(output, labels, losses, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, Tally tally, Tensor gradient) {
    objectives.crossEntropy(output, labels, tally, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    objectives.crossEntropy(output, labels, term, gradient);
  }

  /**
   * The softmax of every row.
   *
   * @param output samples × classes
   * @param probabilities of the same shape, receives the result; may be {@code output}
   */
  public static void softmax(Tensor output, Tensor probabilities) {
    if (output.shape().rank() != 2 || !probabilities.shape().equals(output.shape())) {
      throw new IllegalArgumentException(
          "needs samples × classes, found " + output.shape() + ", " + probabilities.shape());
    }
    long classes = output.shape().size(1);
    for (long row = 0; row < output.elements(); row += classes) {
      double max = Losses.maximum(output, row, classes);
      double sum = Losses.exponentials(output, row, classes, max);
      for (long c = 0; c < classes; c++) {
        probabilities.set(row + c, (float) (StrictMath.exp(output.get(row + c) - max) / sum));
      }
    }
  }

  /** The loss of one row. */
  static double loss(Tensor output, long row, long classes, int label) {
    double max = Losses.maximum(output, row, classes);
    double sum = Losses.exponentials(output, row, classes, max);
    return StrictMath.log(sum) - (output.get(row + label) - max);
  }
}
