package io.nepenthe.nn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Losses;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.kernel.Tally;
import io.nepenthe.tensor.Tensor;

/**
 * The squared distance to the one-hot label, averaged over the classes: ℓ = Σ_c (z_c − t_c)² / C;
 * gradient 2 (z − t) / C.
 */
public record MeanSquaredError() implements Loss {
  private static final double[] ONE_HOT = {};

  @Override
  public double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    return Losses.squaredError(output, labels, ONE_HOT, losses, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, Tally tally, Tensor gradient) {
    objectives.squaredError(output, labels, ONE_HOT, tally, gradient);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    objectives.squaredError(output, labels, ONE_HOT, term, gradient);
  }
}
