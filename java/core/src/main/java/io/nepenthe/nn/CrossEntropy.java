package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;

/**
 * Cross-entropy of the softmax: ℓ = log Σ exp(z_c − max z) − (z_label − max z), natural logarithm;
 * gradient p − onehot(label). Computed in float64, rounded once.
 */
public record CrossEntropy() implements Loss {
  @Override
  public double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    Loss.check(output, labels, losses, gradient);
    long batch = output.shape().size(0);
    long classes = output.shape().size(1);
    double total = 0;
    for (int n = 0; n < batch; n++) {
      long row = n * classes;
      double max = maximum(output, row, classes);
      double sum = exponentials(output, row, classes, max);
      double target = output.get(row + labels[n]) - max;
      losses[n] = StrictMath.log(sum) - target;
      total += losses[n];
      for (long c = 0; c < classes; c++) {
        double p = StrictMath.exp(output.get(row + c) - max) / sum;
        gradient.set(row + c, (float) (c == labels[n] ? p - 1 : p));
      }
    }
    return total;
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
      double max = maximum(output, row, classes);
      double sum = exponentials(output, row, classes, max);
      for (long c = 0; c < classes; c++) {
        probabilities.set(row + c, (float) (StrictMath.exp(output.get(row + c) - max) / sum));
      }
    }
  }

  /** The loss of one row. */
  static double loss(Tensor output, long row, long classes, int label) {
    double max = maximum(output, row, classes);
    double sum = exponentials(output, row, classes, max);
    return StrictMath.log(sum) - (output.get(row + label) - max);
  }

  /** Σ exp(z_c − max) of one row. */
  private static double exponentials(Tensor output, long row, long classes, double max) {
    double sum = 0;
    for (long c = 0; c < classes; c++) {
      sum += StrictMath.exp(output.get(row + c) - max);
    }
    return sum;
  }

  private static double maximum(Tensor output, long row, long classes) {
    float max = Float.NEGATIVE_INFINITY;
    for (long c = 0; c < classes; c++) {
      max = Math.max(max, output.get(row + c));
    }
    return max;
  }
}
