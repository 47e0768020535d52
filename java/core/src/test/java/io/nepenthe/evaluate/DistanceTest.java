package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class DistanceTest {
  private static final int[] LABELS = {0, 1};

  /** Rows (¼, ¾) and (½, ½). */
  private static final Predictions ONE = Predictions.of(2, LABELS, 0, (float) Math.log(3), 0, 0);

  /** Rows (½, ½) and (½, ½). */
  private static final Predictions OTHER = Predictions.of(2, LABELS, 0, 0, 0, 0);

  @Test
  void zeroRetrainForgettingIsOneMinusTheTrueJensenShannonDivergence() {
    // m = (3/8, 5/8); ½[¼ ln(2/3) + ¾ ln(6/5)] + ½[½ ln(4/3) + ½ ln(4/5)], in bits, half of it.
    double js =
        (0.25 * Math.log(2.0 / 3)
                + 0.75 * Math.log(6.0 / 5)
                + 0.5 * Math.log(4.0 / 3)
                + 0.5 * Math.log(4.0 / 5))
            / 2;
    // Probabilities are floats: relative 2⁻²⁴ each.
    assertEquals(1 - js / 2 / Math.log(2), Distance.zeroRetrainForgetting(ONE, OTHER), 4 * 0x1p-24);
    assertEquals(1, Distance.zeroRetrainForgetting(ONE, ONE));
    Predictions sure = Predictions.of(2, LABELS, 300, 0, 300, 0);
    Predictions wrong = Predictions.of(2, LABELS, 0, 300, 0, 300);
    assertEquals(0, Distance.zeroRetrainForgetting(sure, wrong), 0x1p-50);
  }

  @Test
  void theCompatibleFormulaHasItsArgumentsTheOtherWayRound() {
    double reversed =
        (0.375 * Math.log(1.5)
                + 0.625 * Math.log(5.0 / 6)
                + 0.375 * Math.log(0.75)
                + 0.625 * Math.log(1.25))
            / 2;
    assertEquals(
        1 - reversed / 2 / 2, Distance.zeroRetrainForgettingAsInSsd(ONE, OTHER), 4 * 0x1p-24);
  }

  @Test
  void divergenceAndActivationDistance() {
    double kl = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
    assertEquals(kl / 2, Distance.kullbackLeibler(ONE, OTHER), 0x1p-24);
    assertEquals(Math.sqrt(2 * 0.0625) / 2, Distance.activation(ONE, OTHER), 0x1p-22);
    assertEquals(0.5 / 2, Distance.activationL1(ONE, OTHER), 0x1p-22);
    Predictions sure = Predictions.of(2, LABELS, 300, 0, 300, 0);
    Predictions wrong = Predictions.of(2, LABELS, 0, 300, 0, 300);
    assertEquals(300, Distance.kullbackLeibler(sure, wrong), 1e-9, "from logits, not log 0");
    assertThrows(IllegalArgumentException.class, () -> Distance.activation(ONE, ONE.at(0)));
  }

  @Test
  void confusionCountsTheTwoClassesAndPoisonTheTarget() {
    // Labels 0 0 1 1 2, answers 0 1 0 2 2.
    Predictions predictions =
        Predictions.of(3, new int[] {0, 0, 1, 1, 2}, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1);
    assertEquals(2, Confusion.confusionScore(predictions, 0, 1));
    assertEquals(3, Confusion.confusionScore(predictions));
    assertEquals(0.75, Confusion.interclassError(predictions, 0, 1));
    Poison poison = Poison.of(predictions.where(n -> n >= 2), 0);
    assertEquals(1.0 / 3, poison.attackSuccessRate());
    assertEquals(1.0 / 3, poison.correctedAccuracy());
    assertThrows(IllegalArgumentException.class, () -> Poison.of(predictions, 0));
  }

  @Test
  void alignmentIgnoresRotationScaleAndShiftButNotContent() {
    SplittableRandom random = new SplittableRandom(1);
    float[][] x = new float[30][4];
    float[][] moved = new float[30][4];
    float[][] noise = new float[30][9];
    for (int i = 0; i < 30; i++) {
      for (int d = 0; d < 4; d++) {
        x[i][d] = (float) random.nextGaussian();
      }
      // A rotation by 45° in two planes, doubled, shifted.
      double r = Math.sqrt(2);
      moved[i][0] = (float) (r * (x[i][0] - x[i][1]) + 7);
      moved[i][1] = (float) (r * (x[i][0] + x[i][1]) - 3);
      moved[i][2] = (float) (r * (x[i][2] - x[i][3]));
      moved[i][3] = (float) (r * (x[i][2] + x[i][3]));
      for (int d = 0; d < 9; d++) {
        noise[i][d] = (float) random.nextGaussian();
      }
    }
    assertEquals(1, LinearCka.of(x, x), 1e-12);
    assertEquals(1, LinearCka.of(x, moved), 1e-5);
    double other = LinearCka.of(x, noise);
    assertTrue(other > 0 && other < 0.5, "" + other);
    float[][] same = new float[30][2];
    Arrays.setAll(same, i -> new float[] {1, 2});
    assertTrue(Double.isNaN(LinearCka.of(x, same)));
  }

  @Test
  void alignmentIsThatOfTheFeatureFormula() {
    // ‖YᵀX‖² / (‖XᵀX‖·‖YᵀY‖) by hand: X = (1, −1), Y = (2, 0) centred to (1, −1) and a second
    // column (1, 1) centred to 0.
    float[][] x = {{1}, {-1}};
    float[][] y = {{2, 1}, {0, 1}};
    assertEquals(1, LinearCka.of(x, y), 1e-12);
    float[][] z = {{1, 0}, {0, 1}, {-1, -1}};
    float[][] w = {{1}, {0}, {-1}};
    // ZᵀW = (2, 1): 5; ZᵀZ = ((2, 1), (1, 2)): √10; WᵀW = 2.
    assertEquals(5 / (Math.sqrt(10) * 2), LinearCka.of(z, w), 1e-12);
  }
}
