package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import java.util.ArrayList;
import java.util.List;

/**
 * Chooses how strongly {@link Ssd} dampens, from trusted clean data alone: neither the test set,
 * nor the trigger, nor the unknown poison is looked at.
 *
 * <p>Both importances are brought to the same mass. Then α falls from {@code weakest} in steps of a
 * constant ratio; each cut is tried on a copy, and the strongest one is kept whose accuracy on the
 * held-out part is at most {@code tolerance} below the model's own, as are all weaker ones before
 * it. Strong cuts heal unknown poison too, and the held-out accuracy is what a cut that is too
 * strong damages first.
 *
 * @param weakest the largest α
 * @param strongest the smallest α
 * @param ratio between one α and the next, above 1
 * @param dampening λ of every cut
 * @param tolerance how much held-out accuracy may be lost, as a fraction of one
 * @param batchSize samples at once when predicting
 */
public record SsdSearch(
    float weakest, float strongest, float ratio, float dampening, double tolerance, int batchSize) {
  /** Checks the numbers. */
  public SsdSearch {
    if (!(strongest > 0 && weakest >= strongest && weakest < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "0 < strongest ≤ weakest is needed, found " + strongest + " and " + weakest);
    }
    if (!(ratio > 1 && ratio < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("ratio must be above 1, found " + ratio);
    }
    if (!(tolerance >= 0 && tolerance <= 1)) {
      throw new IllegalArgumentException("tolerance must be in [0, 1], found " + tolerance);
    }
    if (batchSize < 1) {
      throw new IllegalArgumentException("batchSize must be positive, found " + batchSize);
    }
    new Ssd.Options(weakest, dampening, 1, Ssd.Scale.MASS);
  }

  /** α from 1,000 down to 1 in steps of √2, λ = 0.1, half a point of accuracy. */
  public static SsdSearch defaults() {
    return new SsdSearch(1000, 1, (float) Math.sqrt(2), 0.1f, 0.005, 256);
  }

  /**
   * One cut of the trade-off curve.
   *
   * @param selection its α
   * @param selected the share of the weights that it dampens
   * @param heldOutAccuracy after it, in [0, 1]
   * @param forgetAccuracy of the forget set under its own labels after it, in [0, 1]
   */
  public record Cut(
      float selection, double selected, double heldOutAccuracy, double forgetAccuracy) {}

  /**
   * What the search found.
   *
   * @param before the untouched model: α infinite, nothing selected
   * @param cuts tried, from the weakest on; the last may be the one that lost too much
   * @param chosen the settings to use; if no cut was tolerated, the weakest
   * @param tolerated whether the chosen cut is within the tolerance
   */
  public record Found(Cut before, List<Cut> cuts, Ssd.Options chosen, boolean tolerated) {
    /** Keeps a copy of the list. */
    public Found {
      cuts = List.copyOf(cuts);
    }
  }

  /**
   * Searches; the model is not changed.
   *
   * @param reference importance of the whole training data
   * @param forget importance of the forget set
   * @param heldOut trusted clean samples that the model was not trained on
   * @param forgetData the forget set, for the curve only: it decides nothing
   * @throws IllegalArgumentException if an importance or a data set does not fit the model
   */
  public Found search(
      Model model,
      Backend backend,
      FisherDiagonal reference,
      FisherDiagonal forget,
      Dataset heldOut,
      Dataset forgetData,
      Normalisation normalisation) {
    double factor = Ssd.factor(reference, forget, Ssd.Scale.MASS);
    try (Model copy = model.copy();
        Predictor predictor = new Predictor(copy, backend, batchSize)) {
      double accuracy = predictor.evaluate(heldOut, normalisation).accuracy();
      Cut before =
          new Cut(
              Float.POSITIVE_INFINITY,
              0,
              accuracy,
              predictor.evaluate(forgetData, normalisation).accuracy());
      List<Cut> cuts = new ArrayList<>();
      float chosen = weakest;
      boolean tolerated = false;
      for (float alpha = weakest; alpha >= strongest; alpha /= ratio) {
        copy.copyFrom(model);
        Ssd.Outcome outcome = Ssd.apply(copy, backend, reference, forget, options(alpha), factor);
        double after = predictor.evaluate(heldOut, normalisation).accuracy();
        cuts.add(
            new Cut(
                alpha,
                (double) outcome.selected() / model.parameters().count(),
                after,
                predictor.evaluate(forgetData, normalisation).accuracy()));
        if (after < accuracy - tolerance) {
          break;
        }
        chosen = alpha;
        tolerated = true;
      }
      return new Found(before, cuts, options(chosen), tolerated);
    }
  }

  private Ssd.Options options(float alpha) {
    return new Ssd.Options(alpha, dampening, 1, Ssd.Scale.MASS);
  }
}
