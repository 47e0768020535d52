package io.nepenthe.evaluate;

/**
 * How well a model resists a backdoor.
 *
 * @param attackSuccessRate triggered images of other classes answered with the target, a fraction
 *     of one
 * @param correctedAccuracy triggered images answered as labelled before the attack
 */
public record Poison(double attackSuccessRate, double correctedAccuracy) {
  /**
   * From the predictions for triggered test images, none of which is of the target class, under
   * their clean labels.
   *
   * @throws IllegalArgumentException if one is of the target class: it would count as a success
   *     without an attack
   */
  public static Poison of(Predictions triggered, int target) {
    if (triggered.share(n -> triggered.label(n) == target) > 0) {
      throw new IllegalArgumentException(
          "images of the target class " + target + " are among the attacked");
    }
    return new Poison(triggered.share(n -> triggered.answer(n) == target), triggered.accuracy());
  }
}
