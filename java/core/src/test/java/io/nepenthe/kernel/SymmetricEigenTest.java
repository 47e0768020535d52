package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SymmetricEigenTest {
  private static double[] random(int n, int rank) {
    SplittableRandom random = new SplittableRandom(n);
    double[] matrix = new double[n * n];
    for (int r = 0; r < rank; r++) {
      double[] row = new double[n];
      for (int i = 0; i < n; i++) {
        row[i] = random.nextGaussian();
      }
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          matrix[i * n + j] += row[i] * row[j];
        }
      }
    }
    return matrix;
  }

  @Test
  void rebuildsTheMatrixAlsoOfLowRank() {
    for (int n : new int[] {1, 2, 3, 17, 64, 150}) {
      for (int rank : new int[] {1, n, 2 * n}) {
        double[] matrix = random(n, rank);
        SymmetricEigen eigen = SymmetricEigen.of(matrix, n);
        double trace = 0;
        for (int i = 0; i < n; i++) {
          trace += matrix[i * n + i];
          assertTrue(i == 0 || eigen.values()[i] >= eigen.values()[i - 1], "ascending");
          for (int j = 0; j < n; j++) {
            double rebuilt = 0;
            double product = 0;
            for (int k = 0; k < n; k++) {
              double q = eigen.vectors()[i * n + k];
              rebuilt += q * eigen.values()[k] * eigen.vectors()[j * n + k];
              product += q * eigen.vectors()[j * n + k];
            }
            // n·u·‖M‖ is the backward error of a stable solver.
            assertEquals(matrix[i * n + j], rebuilt, 40.0 * n * 0x1p-52 * rank * n);
            assertEquals(i == j ? 1 : 0, product, 40.0 * n * 0x1p-52);
          }
        }
        double sum = java.util.Arrays.stream(eigen.values()).sum();
        assertEquals(trace, sum, 40.0 * n * 0x1p-52 * trace);
      }
    }
  }

  @Test
  void knownValues() {
    SymmetricEigen eigen = SymmetricEigen.of(new double[] {2, 1, 1, 2}, 2);
    assertArrayEquals(new double[] {1, 3}, eigen.values(), 1e-15);
  }

  @Test
  void refusesWhatIsNoMatrix() {
    assertThrows(IllegalArgumentException.class, () -> SymmetricEigen.of(new double[3], 2));
    assertThrows(
        IllegalArgumentException.class,
        () -> SymmetricEigen.of(new double[] {1, Double.NaN, 0, 1}, 2));
  }
}
