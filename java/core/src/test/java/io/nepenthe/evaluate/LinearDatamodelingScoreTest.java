package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class LinearDatamodelingScoreTest {
  @Test
  void aModelThatIsASumOfItsExamplesIsPredictedExactly() {
    SplittableRandom random = new SplittableRandom(1);
    double[][] scores = new double[7][30];
    boolean[][] subsets = new boolean[20][30];
    double[][] measured = new double[20][7];
    for (double[] row : scores) {
      for (int j = 0; j < row.length; j++) {
        row[j] = random.nextGaussian();
      }
    }
    for (int i = 0; i < subsets.length; i++) {
      for (int j = 0; j < 30; j++) {
        subsets[i][j] = random.nextBoolean();
        for (int q = 0; q < 7 && subsets[i][j]; q++) {
          measured[i][q] += scores[q][j];
        }
      }
    }
    LinearDatamodelingScore exact = LinearDatamodelingScore.of(scores, subsets, measured, 1);
    assertEquals(1, exact.value(), 1e-12);
    assertEquals(1, exact.low(), 1e-12);
    double[][] opposite = new double[7][30];
    for (int q = 0; q < 7; q++) {
      for (int j = 0; j < 30; j++) {
        opposite[q][j] = -scores[q][j];
      }
    }
    assertEquals(-1, LinearDatamodelingScore.of(opposite, subsets, measured, 1).value(), 1e-12);
    double[][] noise = new double[7][30];
    for (double[] row : noise) {
      for (int j = 0; j < row.length; j++) {
        row[j] = random.nextGaussian();
      }
    }
    LinearDatamodelingScore none = LinearDatamodelingScore.of(noise, subsets, measured, 1);
    assertTrue(none.low() < 0.4 && none.high() > -0.4 && none.low() <= none.high());
  }

  @Test
  void ranksShareTies() {
    assertEquals(
        1, LinearDatamodelingScore.spearman(new double[] {1, 2, 9}, new double[] {3, 4, 5}));
    // Ranks 0.5, 0.5, 2 against 0, 1, 2.
    assertEquals(
        1.5 / Math.sqrt(1.5 * 2),
        LinearDatamodelingScore.spearman(new double[] {1, 1, 2}, new double[] {1, 2, 3}),
        1e-12);
    assertEquals(0, LinearDatamodelingScore.pearson(new double[] {1, 1}, new double[] {1, 2}));
  }
}
