package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;
import java.util.Arrays;

/**
 * Regression: the squared distance of a network's only output to the number that a sample's label
 * stands for, ℓ = (z − t)²; gradient 2 (z − t).
 *
 * @param targets the number of each label: an age, a year, the middle of a bin
 */
public record SquaredError(double... targets) implements Loss {
  /**
   * Copies and checks the numbers.
   *
   * @throws IllegalArgumentException if there are none or one is not finite
   */
  public SquaredError {
    targets = targets.clone();
    if (targets.length == 0 || !Arrays.stream(targets).allMatch(Double::isFinite)) {
      throw new IllegalArgumentException(
          "finite targets are needed, found " + Arrays.toString(targets));
    }
  }

  /** A copy of the numbers. */
  @Override
  public double[] targets() {
    return targets.clone();
  }

  @Override
  public boolean fits(long outputs, int classes) {
    return outputs == 1 && classes <= targets.length;
  }

  @Override
  public boolean classifies() {
    return false;
  }

  @Override
  public double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    if (output.shape().rank() != 2
        || output.shape().size(1) != 1
        || !gradient.shape().equals(output.shape())) {
      throw new IllegalArgumentException(
          "output and gradient must be batch × 1, found "
              + output.shape()
              + " and "
              + gradient.shape());
    }
    double total = 0;
    for (int n = 0; n < output.shape().size(0); n++) {
      if (labels[n] < 0 || labels[n] >= targets.length) {
        throw new IllegalArgumentException(
            "label " + labels[n] + " of sample " + n + " is not one of " + targets.length);
      }
      double error = output.get(n) - targets[labels[n]];
      losses[n] = error * error;
      gradient.set(n, (float) (2 * error));
      total += losses[n];
    }
    return total;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof SquaredError that && Arrays.equals(targets, that.targets);
  }

  /** Consistent with {@link #equals}. */
  @Override
  public int hashCode() {
    return Arrays.hashCode(targets);
  }

  /** All numbers. */
  @Override
  public String toString() {
    return "SquaredError" + Arrays.toString(targets);
  }
}
