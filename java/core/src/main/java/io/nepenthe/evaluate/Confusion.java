package io.nepenthe.evaluate;

/**
 * Which classes a model takes for each other (Goel et al., "Towards adversarial evaluations for
 * inexact machine unlearning", 2022).
 */
public final class Confusion {
  private Confusion() {}

  /**
   * Interclass-confusion error: the share of samples labelled with one of two classes that are
   * answered with anything but their label.
   *
   * @param predictions under clean labels
   * @return a fraction of one; NaN where neither class occurs
   */
  public static double interclassError(Predictions predictions, int a, int b) {
    Predictions both =
        predictions.where(n -> predictions.label(n) == a || predictions.label(n) == b);
    return 1 - both.accuracy();
  }

  /** How many samples of each of two classes are answered with the other: cm[a,b] + cm[b,a]. */
  public static long confusionScore(Predictions predictions, int a, int b) {
    long[][] counts = predictions.confusion();
    return counts[a][b] + counts[b][a];
  }

  /** The same over all pairs: every wrong answer. */
  public static long confusionScore(Predictions predictions) {
    long[][] counts = predictions.confusion();
    long sum = 0;
    for (int i = 0; i < counts.length; i++) {
      for (int j = 0; j < counts.length; j++) {
        sum += i == j ? 0 : counts[i][j];
      }
    }
    return sum;
  }
}
