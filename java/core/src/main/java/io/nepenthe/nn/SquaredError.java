package io.nepenthe.nn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Losses;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.kernel.Tally;
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
    return Losses.squaredError(output, labels, targets, losses, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, Tally tally, Tensor gradient) {
    objectives.squaredError(output, labels, targets, tally, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    objectives.squaredError(output, labels, targets, term, gradient);
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
