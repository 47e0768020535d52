package io.nepenthe.curvature;

import io.nepenthe.kernel.SymmetricEigen;
import io.nepenthe.tensor.Tensor;
import java.util.Arrays;

/**
 * Curvature and influence of one block in float64 and plain Java, from its rows: written for
 * clarity, after the definitions.
 *
 * @param a ā, [sample][position][feature], the bias feature included
 * @param g output gradients, [pass][sample][position][output]
 */
record ReferenceBlock(double[][][] a, double[][][][] g) {
  int samples() {
    return a.length;
  }

  int features() {
    return a[0][0].length;
  }

  int outputs() {
    return g[0][0][0].length;
  }

  /** Another block's rows beside these, as further positions: a tied layer. */
  ReferenceBlock with(ReferenceBlock other) {
    double[][][] rows = new double[samples()][][];
    double[][][][] gradients = new double[g.length][samples()][][];
    for (int n = 0; n < samples(); n++) {
      rows[n] = join(a[n], other.a[n]);
      for (int v = 0; v < g.length; v++) {
        gradients[v][n] = join(g[v][n], other.g[v][n]);
      }
    }
    return new ReferenceBlock(rows, gradients);
  }

  private static double[][] join(double[][] first, double[][] second) {
    double[][] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }

  /** P = Σₜ g āᵀ of a pass and sample, [O·I]. */
  double[] gradient(int pass, int sample) {
    int columns = features();
    double[] p = new double[outputs() * columns];
    for (int t = 0; t < a[sample].length; t++) {
      for (int o = 0; o < outputs(); o++) {
        for (int i = 0; i < columns; i++) {
          p[o * columns + i] += g[pass][sample][t][o] * a[sample][t][i];
        }
      }
    }
    return p;
  }

  double[] inputFactor(boolean reduce) {
    double[] sum = new double[features() * features()];
    double count = 0;
    for (double[][] rows : a) {
      double[][] used = reduce ? new double[][] {pooled(rows, 1.0 / rows.length)} : rows;
      for (double[] row : used) {
        outer(row, sum);
        count++;
      }
    }
    return scaled(sum, 1 / count);
  }

  double[] gradientFactor(boolean reduce) {
    double[] sum = new double[outputs() * outputs()];
    for (double[][][] pass : g) {
      for (double[][] rows : pass) {
        for (double[] row : reduce ? new double[][] {pooled(rows, 1)} : rows) {
          outer(row, sum);
        }
      }
    }
    return scaled(sum, 1.0 / samples());
  }

  private static double[] pooled(double[][] rows, double scale) {
    double[] sum = new double[rows[0].length];
    for (double[] row : rows) {
      for (int i = 0; i < sum.length; i++) {
        sum[i] += scale * row[i];
      }
    }
    return sum;
  }

  private static void outer(double[] row, double[] sum) {
    for (int i = 0; i < row.length; i++) {
      for (int j = 0; j < row.length; j++) {
        sum[i * row.length + j] += row[i] * row[j];
      }
    }
  }

  static double[] scaled(double[] values, double by) {
    double[] out = values.clone();
    for (int i = 0; i < out.length; i++) {
      out[i] *= by;
    }
    return out;
  }

  /** F = (1/N) Σ vec(P) vec(P)ᵀ, [O·I][O·I]. */
  double[][] fisher() {
    int size = outputs() * features();
    double[][] f = new double[size][size];
    for (int v = 0; v < g.length; v++) {
      for (int n = 0; n < samples(); n++) {
        double[] p = gradient(v, n);
        for (int i = 0; i < size; i++) {
          for (int j = 0; j < size; j++) {
            f[i][j] += p[i] * p[j] / samples();
          }
        }
      }
    }
    return f;
  }

  double[] diagonal() {
    double[] sum = new double[outputs() * features()];
    for (int v = 0; v < g.length; v++) {
      for (int n = 0; n < samples(); n++) {
        double[] p = gradient(v, n);
        for (int i = 0; i < sum.length; i++) {
          sum[i] += p[i] * p[i] / samples();
        }
      }
    }
    return sum;
  }

  /** Eigenvectors of both factors. */
  record Basis(SymmetricEigen input, SymmetricEigen gradient) {
    /** Those of a shipped block. */
    static Basis of(EigenBasis basis, int group) {
      return new Basis(
          eigen(basis.inputVectors(), basis.inputValues()[group], group),
          eigen(basis.gradientVectors(), basis.gradientValues()[group], group));
    }

    private static SymmetricEigen eigen(Tensor vectors, double[] values, int group) {
      double[] own = new double[values.length * values.length];
      Arrays.setAll(own, i -> vectors.get((long) group * own.length + i));
      return new SymmetricEigen(values.length, values, own);
    }

    /** Q_Bᵀ P Q_A, or back. */
    double[] rotate(double[] p, boolean back) {
      int columns = input.size();
      int outputs = gradient.size();
      double[] half = new double[p.length];
      double[] whole = new double[p.length];
      for (int o = 0; o < outputs; o++) {
        for (int i = 0; i < columns; i++) {
          for (int k = 0; k < columns; k++) {
            double q = back ? input.vectors()[i * columns + k] : input.vectors()[k * columns + i];
            half[o * columns + i] += p[o * columns + k] * q;
          }
        }
      }
      for (int o = 0; o < outputs; o++) {
        for (int k = 0; k < outputs; k++) {
          double q =
              back ? gradient.vectors()[o * outputs + k] : gradient.vectors()[k * outputs + o];
          for (int i = 0; i < columns; i++) {
            whole[o * columns + i] += q * half[k * columns + i];
          }
        }
      }
      return whole;
    }

    double[] kronecker() {
      double[] values = new double[input.size() * gradient.size()];
      for (int at = 0; at < values.length; at++) {
        values[at] =
            Math.max(0, gradient.values()[at / input.size()])
                * Math.max(0, input.values()[at % input.size()]);
      }
      return values;
    }
  }

  Basis basis(boolean reduce) {
    return new Basis(
        SymmetricEigen.of(inputFactor(reduce), features()),
        SymmetricEigen.of(gradientFactor(reduce), outputs()));
  }

  /** Λ, the mean squared gradient in a basis. */
  double[] corrected(Basis basis) {
    double[] sum = new double[outputs() * features()];
    for (int v = 0; v < g.length; v++) {
      for (int n = 0; n < samples(); n++) {
        double[] p = basis.rotate(gradient(v, n), false);
        for (int i = 0; i < sum.length; i++) {
          sum[i] += p[i] * p[i] / samples();
        }
      }
    }
    return sum;
  }

  /** H⁻¹p for eigenvalues in a basis. */
  static double[] inverse(Basis basis, double[] eigenvalues, double damping, double[] p) {
    double[] rotated = basis.rotate(p, false);
    for (int i = 0; i < p.length; i++) {
      rotated[i] /= eigenvalues[i] + damping;
    }
    return basis.rotate(rotated, true);
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / values.length;
  }
}
