package io.nepenthe.evaluate;

/** What a membership attack looks at of a sample's predictions. */
public enum Feature {
  /** 1 where the answer is the label, else 0. */
  CORRECTNESS,
  /** The probability of the sample's own label: the headline feature. */
  CONFIDENCE,
  /** −Σ p log p. */
  ENTROPY,
  /** {@link Predictions#modifiedEntropy}. */
  MODIFIED_ENTROPY,
  /** All probabilities. */
  PROBABILITIES;

  /** The features of one sample. */
  double[] of(Predictions predictions, int n) {
    return switch (this) {
      case CORRECTNESS -> new double[] {predictions.answer(n) == predictions.label(n) ? 1 : 0};
      case CONFIDENCE -> new double[] {predictions.confidence(n)};
      case ENTROPY -> new double[] {predictions.entropy(n)};
      case MODIFIED_ENTROPY -> new double[] {predictions.modifiedEntropy(n)};
      case PROBABILITIES -> {
        double[] all = new double[predictions.classes()];
        for (int c = 0; c < all.length; c++) {
          all[c] = predictions.probability(n, c);
        }
        yield all;
      }
    };
  }

  /** The features of all samples. */
  double[][] of(Predictions predictions) {
    double[][] rows = new double[predictions.size()][];
    for (int n = 0; n < rows.length; n++) {
      rows[n] = of(predictions, n);
    }
    return rows;
  }
}
