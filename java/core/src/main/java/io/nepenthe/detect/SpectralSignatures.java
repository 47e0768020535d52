package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;

/**
 * Spectral signatures (Tran, Li, Mądry, NeurIPS 2018): within each class, the squared coordinate of
 * an image's representation along the direction of greatest variance. A class that holds another
 * population is spread along the line between the two.
 */
public final class SpectralSignatures {
  private SpectralSignatures() {}

  /**
   * Scores every image.
   *
   * @param share of each class that is flagged; the paper flags 1.5 times the expected poison
   */
  public static Detection of(
      Model model,
      Backend backend,
      Dataset training,
      Normalisation normalisation,
      double share,
      Progress progress) {
    return of(Features.of(model, backend, training, normalisation, 64, progress), training, share);
  }

  static Detection of(double[][] features, Dataset training, double share) {
    double[] scores = new double[features.length];
    boolean[] flagged = new boolean[features.length];
    for (int[] positions : Features.byClass(training)) {
      if (positions.length < 2) {
        continue;
      }
      double[][] along = Features.principal(Features.centred(features, positions), 1);
      double[] own = new double[positions.length];
      for (int k = 0; k < positions.length; k++) {
        own[k] = along[k][0] * along[k][0];
        scores[positions[k]] = own[k];
      }
      Detection part = Detection.ofHighest(own, Math.round(share * positions.length));
      for (int k = 0; k < positions.length; k++) {
        flagged[positions[k]] = part.flagged()[k];
      }
    }
    return new Detection(scores, flagged);
  }
}
