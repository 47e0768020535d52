package io.nepenthe.cli;

import java.util.Optional;

/**
 * Says so where a method came hardly nearer to training anew than the model was before: settings of
 * another network may do next to nothing on this one, and accuracy alone would look well.
 */
final class TooWeak {
  /** The share of the distance before that is as good as all of it. */
  private static final double HARDLY = 0.9;

  private TooWeak() {}

  /**
   * The warning; empty if the method came nearer.
   *
   * @param before the average gap to training anew of the models before, a fraction of one
   * @param after the same after the method
   */
  static Optional<String> of(String method, double before, double after) {
    return after < HARDLY * before || before == 0
        ? Optional.empty()
        : Optional.of(
            String.format(
                Text.LOCALE,
                "%s came no nearer to training anew: on average %.1f points are between them, %.1f"
                    + " were before; remedy: other settings, which --tune 1 looks for",
                method,
                100 * after,
                100 * before));
  }
}
