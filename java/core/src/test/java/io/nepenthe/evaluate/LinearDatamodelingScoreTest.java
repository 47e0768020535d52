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

  /**
   * Two attributions of nearly the same quality, one a little noisier: their own intervals overlap,
   * that of the difference does not hold 0.
   */
  @Test
  void pairsTellApartWhatOverlaps() {
    SplittableRandom random = new SplittableRandom(3);
    double[][] truth = new double[20][40];
    double[][] better = new double[20][40];
    double[][] worse = new double[20][40];
    boolean[][] subsets = new boolean[30][40];
    double[][] measured = new double[30][20];
    for (int q = 0; q < 20; q++) {
      for (int j = 0; j < 40; j++) {
        truth[q][j] = random.nextGaussian();
        better[q][j] = truth[q][j] + random.nextGaussian();
        worse[q][j] = better[q][j] + 0.8 * random.nextGaussian();
      }
    }
    for (int i = 0; i < 30; i++) {
      for (int j = 0; j < 40; j++) {
        subsets[i][j] = random.nextBoolean();
        for (int q = 0; q < 20 && subsets[i][j]; q++) {
          measured[i][q] += truth[q][j];
        }
      }
    }
    LinearDatamodelingScore first = LinearDatamodelingScore.of(better, subsets, measured, 1);
    LinearDatamodelingScore second = LinearDatamodelingScore.of(worse, subsets, measured, 1);
    LinearDatamodelingScore difference =
        LinearDatamodelingScore.difference(better, worse, subsets, measured, 1);
    assertEquals(first.value() - second.value(), difference.value(), 1e-12);
    assertTrue(first.low() < second.high());
    assertTrue(difference.low() > 0);
    LinearDatamodelingScore none =
        LinearDatamodelingScore.difference(better, better, subsets, measured, 1);
    assertEquals(0, none.low());
    assertEquals(0, none.high());
  }

  /** Half of the queries predicted exactly and half the wrong way round, on whatever subsets. */
  @Test
  void theIntervalIsOverQueries() {
    int queries = 16;
    double[][] scores = new double[queries][12];
    boolean[][] subsets = new boolean[12][12];
    double[][] measured = new double[12][queries];
    for (int i = 0; i < 12; i++) {
      subsets[i][i] = true;
      for (int q = 0; q < queries; q++) {
        scores[q][i] = q % 2 == 0 ? i : -i;
        measured[i][q] = i;
      }
    }
    LinearDatamodelingScore found = LinearDatamodelingScore.of(scores, subsets, measured, 1);
    assertEquals(0, found.value(), 1e-12);
    // A mean of 16 signs: deviation a quarter.
    assertEquals(-1.96 / 4, found.low(), 0.13);
    assertEquals(1.96 / 4, found.high(), 0.13);
  }

  @Test
  void theIntervalIsOverSubsets() {
    SplittableRandom random = new SplittableRandom(2);
    double[][] scores = new double[1][40];
    boolean[][] subsets = new boolean[40][40];
    double[][] measured = new double[40][1];
    for (int i = 0; i < 40; i++) {
      subsets[i][i] = true;
      scores[0][i] = random.nextGaussian();
      measured[i][0] = random.nextGaussian();
    }
    LinearDatamodelingScore found = LinearDatamodelingScore.of(scores, subsets, measured, 1);
    // A rank correlation of 40 pairs of which neither tells of the other: deviation 1/√39.
    double expected = 2 * 1.96 / Math.sqrt(39);
    assertEquals(expected, found.high() - found.low(), 0.4 * expected);
    assertTrue(found.low() < found.value() && found.value() < found.high());
  }

  @Test
  void ranksShareTies() {
    assertEquals(
        1, LinearDatamodelingScore.spearman(new double[] {1, 2, 9}, new double[] {3, 4, 5}));
    // Ranks 0.5, 0.5, 2, 3 against 0, 1.5, 1.5, 3, which no other ranks of the equal ones give.
    assertEquals(
        3.75 / 4.5,
        LinearDatamodelingScore.spearman(new double[] {1, 1, 2, 3}, new double[] {1, 2, 2, 3}),
        1e-12);
    assertEquals(0, LinearDatamodelingScore.pearson(new double[] {1, 1}, new double[] {1, 2}));
  }
}
