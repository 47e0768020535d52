package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SingularValuesTest {
  @Test
  void theProductIsTheMatrixAndTheVectorsAreOrthonormal() {
    for (int[] size : new int[][] {{1, 1}, {1, 7}, {7, 1}, {5, 3}, {3, 5}, {40, 41}, {9, 50}}) {
      int m = size[0];
      int n = size[1];
      SplittableRandom random = new SplittableRandom(m * 100L + n);
      try (Arena arena = Arena.ofConfined()) {
        Tensor matrix = Tensor.zeros(arena, m, n);
        double squares = 0;
        for (int i = 0; i < m * n; i++) {
          matrix.set(i, 2 * random.nextFloat() - 1);
          squares += matrix.get(i) * matrix.get(i);
        }
        float[] kept = matrix.toArray();
        try (SingularValues found = SingularValues.of(matrix)) {
          assertEquals(Math.min(m, n), found.count());
          double bound = 10 * Math.max(m, n) * Math.ulp(Math.sqrt(squares));
          for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
              double sum = 0;
              for (int r = 0; r < found.count(); r++) {
                sum += found.left(i, r) * found.value(r) * found.right(r, j);
              }
              assertEquals(matrix.get((long) i * n + j), sum, bound);
            }
          }
          assertOrthonormal(found, m, n);
        }
        for (int i = 0; i < kept.length; i++) {
          assertEquals(kept[i], matrix.get(i));
        }
      }
    }
  }

  private static void assertOrthonormal(SingularValues found, int m, int n) {
    for (int a = 0; a < found.count(); a++) {
      assertTrue(a == 0 || found.value(a) <= found.value(a - 1));
      for (int b = 0; b < found.count(); b++) {
        double left = 0;
        double right = 0;
        for (int i = 0; i < m; i++) {
          left += found.left(i, a) * found.left(i, b);
        }
        for (int j = 0; j < n; j++) {
          right += found.right(a, j) * found.right(b, j);
        }
        assertEquals(a == b ? 1 : 0, left, 10 * m * Math.ulp(1.0));
        assertEquals(a == b ? 1 : 0, right, 10 * n * Math.ulp(1.0));
      }
    }
  }

  @Test
  void refusesWhatIsNoMatrix() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor matrix = Tensor.zeros(arena, 1, 2);
      matrix.set(1, Float.NaN);
      assertThrows(IllegalArgumentException.class, () -> SingularValues.of(matrix));
      Tensor vector = Tensor.zeros(arena, 6);
      assertThrows(IllegalArgumentException.class, () -> SingularValues.of(vector));
      Tensor empty = Tensor.zeros(arena, 0, 3);
      assertThrows(IllegalArgumentException.class, () -> SingularValues.of(empty));
    }
  }
}
