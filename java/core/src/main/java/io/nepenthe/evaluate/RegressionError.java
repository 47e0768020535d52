package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.SquaredError;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * How far a regression is off.
 *
 * @param samples how many there were
 * @param meanSquared the mean of (z − t)²
 * @param meanAbsolute the mean of |z − t|
 * @param determination R² = 1 − Σ(z − t)² / Σ(t − mean t)²; NaN where all targets are equal
 */
public record RegressionError(
    long samples, double meanSquared, double meanAbsolute, double determination) {
  /**
   * Of a model with one output on a data set.
   *
   * @param loss says which number each label stands for
   * @throws IllegalArgumentException if the model has another number of outputs, or the data have
   *     labels without a number
   */
  public static RegressionError of(
      Predictor predictor, Dataset data, Normalisation normalisation, SquaredError loss) {
    double[] targets = loss.targets();
    try (Arena arena = Arena.ofConfined()) {
      Tensor outputs = predictor.logits(arena, data, normalisation);
      if (!loss.fits(outputs.shape().size(1), data.classes())) {
        throw new IllegalArgumentException(
            "one output and "
                + data.classes()
                + " targets are needed, found "
                + outputs.shape().size(1)
                + " and "
                + targets.length);
      }
      double sum = 0;
      double least = Double.POSITIVE_INFINITY;
      double most = Double.NEGATIVE_INFINITY;
      for (long n = 0; n < data.size(); n++) {
        double target = targets[data.label(n)];
        sum += target;
        least = Math.min(least, target);
        most = Math.max(most, target);
      }
      double mean = sum / data.size();
      double squares = 0;
      double absolutes = 0;
      double spread = 0;
      for (long n = 0; n < data.size(); n++) {
        double target = targets[data.label(n)];
        double error = outputs.get(n) - target;
        squares += error * error;
        absolutes += Math.abs(error);
        spread += (target - mean) * (target - mean);
      }
      return new RegressionError(
          data.size(),
          squares / data.size(),
          absolutes / data.size(),
          least < most ? 1 - squares / spread : Double.NaN);
    }
  }
}
