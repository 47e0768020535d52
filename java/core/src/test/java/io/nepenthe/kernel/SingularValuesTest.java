package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SingularValuesTest {
  @Test
  void theProductIsTheMatrixAndTheVectorsAreOrthonormal() {
    for (int[] size : new int[][] {{1, 1}, {1, 7}, {7, 1}, {5, 3}, {3, 5}, {40, 41}}) {
      int m = size[0];
      int n = size[1];
      int k = Math.min(m, n);
      SplittableRandom random = new SplittableRandom(m * 100L + n);
      double[] matrix = random.doubles((long) m * n, -1, 1).toArray();
      double[] kept = matrix.clone();
      SingularValues found = SingularValues.of(matrix, m, n);
      double norm = Math.sqrt(Arrays.stream(matrix).map(v -> v * v).sum());
      double bound = 10 * Math.max(m, n) * Math.ulp(norm);
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          double sum = 0;
          for (int r = 0; r < k; r++) {
            sum += found.left()[i * k + r] * found.values()[r] * found.right()[r * n + j];
          }
          assertEquals(matrix[i * n + j], sum, bound);
        }
      }
      for (int a = 0; a < k; a++) {
        assertTrue(a == 0 || found.values()[a] <= found.values()[a - 1]);
        for (int b = 0; b < k; b++) {
          double left = 0;
          double right = 0;
          for (int i = 0; i < m; i++) {
            left += found.left()[i * k + a] * found.left()[i * k + b];
          }
          for (int j = 0; j < n; j++) {
            right += found.right()[a * n + j] * found.right()[b * n + j];
          }
          assertEquals(a == b ? 1 : 0, left, 10 * m * Math.ulp(1.0));
          assertEquals(a == b ? 1 : 0, right, 10 * n * Math.ulp(1.0));
        }
      }
      assertEquals(Arrays.hashCode(kept), Arrays.hashCode(matrix));
    }
  }

  @Test
  void refusesWhatIsNoMatrix() {
    assertThrows(IllegalArgumentException.class, () -> SingularValues.of(new double[5], 2, 3));
    assertThrows(IllegalArgumentException.class, () -> SingularValues.of(new double[0], 0, 3));
    assertThrows(
        IllegalArgumentException.class,
        () -> SingularValues.of(new double[] {1, Double.NaN}, 1, 2));
  }
}
