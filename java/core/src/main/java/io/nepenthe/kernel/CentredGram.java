package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * The products of centred rows, in float64:
 *
 * <pre>
 *   K[i, j] = Σ_d (x_i[d] − μ[d])·(x_j[d] − μ[d])        μ the mean row
 * </pre>
 *
 * <p>Where the rows are samples' features, a linear kernel whose alignment with another's says how
 * alike two models represent the samples (Kornblith et al. 2019).
 */
public final class CentredGram {
  private CentredGram() {}

  /** Bytes read and written: the rows once, and K. */
  static long bytes(long n, long width) {
    return Float.BYTES * n * width + Double.BYTES * n * n;
  }

  /** Operations: a multiplication and an addition a term, of one half. */
  static long flops(long n, long width) {
    return n * (n + 1) * width;
  }

  /** How many rows there are; K must fit an array. */
  static int check(Tensor rows) {
    if (rows.elements() == 0) {
      throw new IllegalArgumentException("rows must hold values, found shape " + rows.shape());
    }
    int n = Math.toIntExact(rows.shape().size(0));
    if ((long) n * n > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("the products of " + n + " rows do not fit an array");
    }
    return n;
  }

  /**
   * Of rows on the host.
   *
   * @see Backend#centredGram
   */
  public static double[] of(Tensor rows) {
    int n = check(rows);
    int width = Math.toIntExact(rows.elements() / n);
    double[][] centred = new double[n][width];
    for (int d = 0; d < width; d++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += rows.get((long) i * width + d);
      }
      for (int i = 0; i < n; i++) {
        centred[i][d] = rows.get((long) i * width + d) - sum / n;
      }
    }
    double[] products = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = dot(centred[i], centred[j]);
        products[i * n + j] = sum;
        products[j * n + i] = sum;
      }
    }
    return products;
  }

  /** In four lanes: one sum would wait for itself at every step. */
  private static double dot(double[] one, double[] other) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    int i = 0;
    for (; i + 3 < one.length; i += 4) {
      a += one[i] * other[i];
      b += one[i + 1] * other[i + 1];
      c += one[i + 2] * other[i + 2];
      d += one[i + 3] * other[i + 3];
    }
    for (; i < one.length; i++) {
      a += one[i] * other[i];
    }
    return a + b + (c + d);
  }
}
