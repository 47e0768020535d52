package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;

/**
 * The squared distance to the one-hot label, averaged over the classes: ℓ = Σ_c (z_c − t_c)² / C;
 * gradient 2 (z − t) / C.
 */
public record MeanSquaredError() implements Loss {
  @Override
  public double evaluate(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    Loss.check(output, labels, losses, gradient);
    long batch = output.shape().size(0);
    long classes = output.shape().size(1);
    double total = 0;
    for (int n = 0; n < batch; n++) {
      losses[n] = 0;
      for (long c = 0; c < classes; c++) {
        long at = n * classes + c;
        double error = output.get(at) - (c == labels[n] ? 1.0 : 0.0);
        losses[n] += error * error / classes;
        gradient.set(at, (float) (2 * error / classes));
      }
      total += losses[n];
    }
    return total;
  }
}
