package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;

/**
 * A model's predictions on the three sets that metrics are about, from one pass over each.
 *
 * @param retain D_r
 * @param forget D_f
 * @param test D_t; for a forgotten class, without that class
 */
public record Splits(Predictions retain, Predictions forget, Predictions test) {
  /** Samples at once. */
  private static final int BATCH = 256;

  /** Asks a model for all three. */
  public static Splits of(
      Model model,
      Backend backend,
      Dataset retain,
      Dataset forget,
      Dataset test,
      Normalisation normalisation) {
    try (Predictor predictor = new Predictor(model, backend, BATCH)) {
      return new Splits(
          Predictions.of(predictor, retain, normalisation),
          Predictions.of(predictor, forget, normalisation),
          Predictions.of(predictor, test, normalisation));
    }
  }

  /** UA = 1 − accuracy on D_f: the unlearning accuracy, a fraction of one. */
  public double unlearningAccuracy() {
    return 1 - forget.accuracy();
  }

  /** RA, the accuracy on D_r, a fraction of one. */
  public double retainAccuracy() {
    return retain.accuracy();
  }

  /** TA, the accuracy on D_t, a fraction of one. */
  public double testAccuracy() {
    return test.accuracy();
  }
}
