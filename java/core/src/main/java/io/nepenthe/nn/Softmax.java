package io.nepenthe.nn;

/** The softmax of one row, in double precision. */
public final class Softmax {
  private Softmax() {}

  /** Replaces every z_c by exp(z_c − max z) / Σ exp(z_k − max z). */
  public static void inPlace(double[] row) {
    double max = Double.NEGATIVE_INFINITY;
    for (double z : row) {
      max = Math.max(max, z);
    }
    double sum = 0;
    for (int c = 0; c < row.length; c++) {
      row[c] = StrictMath.exp(row[c] - max);
      sum += row[c];
    }
    for (int c = 0; c < row.length; c++) {
      row[c] /= sum;
    }
  }
}
