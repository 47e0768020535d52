package io.nepenthe.unlearn;

import io.nepenthe.tensor.Tensor;
import java.util.Arrays;

/** The ratios of two importances, sorted, so that any percentile of them is one look away. */
final class Percentile {
  private final float[] ratios;

  /** Ratios that are not finite, 0/0 and x/0, are left out. */
  Percentile(Tensor numerator, Tensor denominator) {
    float[] all = new float[Math.toIntExact(numerator.elements())];
    int count = 0;
    for (int j = 0; j < all.length; j++) {
      float ratio = numerator.get(j) / denominator.get(j);
      if (Float.isFinite(ratio)) {
        all[count++] = ratio;
      }
    }
    this.ratios = Arrays.copyOf(all, count);
    Arrays.sort(ratios);
  }

  /**
   * The percentile by linear interpolation between neighbours.
   *
   * @param percent from 0 to 100
   * @throws IllegalArgumentException if there are no ratios
   */
  double at(double percent) {
    if (ratios.length == 0) {
      throw new IllegalArgumentException("the importances have no finite ratio");
    }
    double place = percent / 100 * (ratios.length - 1);
    int below = (int) Math.floor(Math.min(ratios.length - 1, Math.max(0, place)));
    int above = Math.min(below + 1, ratios.length - 1);
    return ratios[below] + (place - below) * ((double) ratios[above] - ratios[below]);
  }
}
