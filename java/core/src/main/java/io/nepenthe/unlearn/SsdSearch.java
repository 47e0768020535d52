package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.ResidentModel;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * Chooses how strongly {@link Ssd} dampens, from trusted clean data and the forget set alone:
 * neither the test set, nor the trigger, nor the unknown poison is looked at.
 *
 * <p>Both importances are brought to the same mass. Then α falls from {@code weakest} in steps of a
 * constant ratio, each cut tried on a copy, until one loses more than {@code tolerance} of the
 * held-out accuracy. Among the tolerated cuts before it, those are complete after which the forget
 * set is recognised no better than by chance. The middle one of them is chosen: the weakest only
 * just forgets what it was shown, and unknown poison is healed a little later than known; the
 * strongest is at the edge of damage. If none is complete, the strongest tolerated one is chosen.
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

  /** α from 4,096 down to 1, four cuts an octave, λ = 0.1, one point of accuracy. */
  public static SsdSearch defaults() {
    return new SsdSearch(4096, 1, (float) Math.pow(2, 0.25), 0.1f, 0.01, 256);
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

  /** What ended up as the choice. */
  public enum Verdict {
    /** The chosen cut is tolerated and complete. */
    COMPLETE,
    /**
     * The chosen cut is tolerated, but the forget set is still recognised better than by chance.
     */
    INCOMPLETE,
    /** Even the weakest cut loses too much: it is named, but should not be used. */
    NONE_TOLERATED
  }

  /**
   * What the search found.
   *
   * @param before the untouched model: α infinite, nothing selected
   * @param cuts tried, from the weakest on; the last may be the one that lost too much
   * @param chosen the settings to use
   * @param verdict how good they are
   */
  public record Found(Cut before, List<Cut> cuts, Ssd.Options chosen, Verdict verdict) {
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
   * @param forgetData the forget set
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
    try (Arena arena = Arena.ofConfined();
        ResidentModel untouched = new ResidentModel(model, backend);
        Model tried = model.copyTo(backend);
        Predictor predictor = new Predictor(tried, backend, batchSize)) {
      Parameters referenceHere = Ssd.here(arena, backend, reference);
      Parameters forgetHere = Ssd.here(arena, backend, forget);
      double accuracy = predictor.evaluate(heldOut, normalisation).accuracy();
      Cut before =
          new Cut(
              Float.POSITIVE_INFINITY,
              0,
              accuracy,
              predictor.evaluate(forgetData, normalisation).accuracy());
      List<Cut> cuts = new ArrayList<>();
      for (float alpha = weakest; alpha >= strongest; alpha /= ratio) {
        tried.copyFrom(untouched.here());
        Ssd.Outcome outcome =
            Ssd.apply(tried, backend, referenceHere, forgetHere, options(alpha), factor);
        boolean changed = outcome.selected() > 0;
        cuts.add(
            new Cut(
                alpha,
                (double) outcome.selected() / model.parameters().count(),
                changed ? predictor.evaluate(heldOut, normalisation).accuracy() : accuracy,
                changed
                    ? predictor.evaluate(forgetData, normalisation).accuracy()
                    : before.forgetAccuracy));
        if (!tolerated(before, cuts.getLast())) {
          break;
        }
      }
      return choose(before, cuts, 1.0 / heldOut.classes());
    }
  }

  private boolean tolerated(Cut before, Cut cut) {
    return cut.heldOutAccuracy >= before.heldOutAccuracy - tolerance;
  }

  /** The rule, on the accuracies alone. */
  Found choose(Cut before, List<Cut> cuts, double chance) {
    List<Cut> tolerated = cuts.stream().filter(cut -> tolerated(before, cut)).toList();
    List<Cut> complete = tolerated.stream().filter(cut -> cut.forgetAccuracy <= chance).toList();
    if (!complete.isEmpty()) {
      float alpha = complete.get(complete.size() / 2).selection;
      return new Found(before, cuts, options(alpha), Verdict.COMPLETE);
    }
    if (!tolerated.isEmpty()) {
      return new Found(before, cuts, options(tolerated.getLast().selection), Verdict.INCOMPLETE);
    }
    return new Found(before, cuts, options(cuts.getFirst().selection), Verdict.NONE_TOLERATED);
  }

  private Ssd.Options options(float alpha) {
    return new Ssd.Options(alpha, dampening, 1, Ssd.Scale.MASS);
  }
}
