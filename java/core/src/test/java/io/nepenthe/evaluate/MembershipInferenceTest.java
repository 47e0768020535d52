package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class MembershipInferenceTest {
  private static final MembershipInference ATTACK = MembershipInference.defaults(1);

  /** Two classes; the label's logit is normal around {@code centre}. */
  private static Predictions draw(int size, double centre, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] labels = new int[size];
    float[] logits = new float[2 * size];
    for (int n = 0; n < size; n++) {
      labels[n] = random.nextInt(2);
      logits[2 * n + labels[n]] = (float) (centre + random.nextGaussian());
    }
    return Predictions.of(2, labels, logits);
  }

  /** Members around 4, strangers around 0, the forgotten like one of them. */
  private static Splits splits(boolean forgotten) {
    return new Splits(draw(900, 4, 1), draw(300, forgotten ? 0 : 4, 2), draw(600, 0, 3));
  }

  @Test
  void efficacyIsTheShareJudgedAStranger() {
    for (Feature feature :
        new Feature[] {Feature.CONFIDENCE, Feature.MODIFIED_ENTROPY, Feature.PROBABILITIES}) {
      // Between N(4, 1) and N(0, 1) the best attacker errs on 2.3 %.
      assertTrue(ATTACK.efficacy(splits(true), feature) > 0.9, feature.toString());
      assertTrue(ATTACK.efficacy(splits(false), feature) < 0.1, feature.toString());
    }
    // All members answer right, half of the strangers do.
    assertTrue(ATTACK.efficacy(splits(true), Feature.CORRECTNESS) > 0.4);
    assertTrue(ATTACK.efficacy(splits(false), Feature.CORRECTNESS) < 0.01);
  }

  @Test
  void theEntropyAttackIsTheShareJudgedAMember() {
    double remembered = ATTACK.entropyAttack(splits(false));
    double forgotten = ATTACK.entropyAttack(splits(true));
    assertTrue(remembered > 0.85 && forgotten < 0.35, remembered + ", " + forgotten);
  }

  @Test
  void lossAndThresholdAttacksAreAtHalfWhereNothingCanBeTold() {
    // 300 judged samples in five parts: deviation of a mean accuracy about 0.5/√300.
    double noise = 5 * 0.5 / Math.sqrt(300);
    assertEquals(0.5, ATTACK.lossAttack(splits(true)), noise);
    assertEquals(0.5, ATTACK.thresholdAttack(splits(true), Feature.CONFIDENCE), noise);
    assertTrue(ATTACK.lossAttack(splits(false)) > 0.9);
    for (Feature feature : new Feature[] {Feature.CONFIDENCE, Feature.MODIFIED_ENTROPY}) {
      assertTrue(ATTACK.thresholdAttack(splits(false), feature) > 0.9, feature.toString());
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> ATTACK.thresholdAttack(splits(false), Feature.PROBABILITIES));
  }

  @Test
  void trainingPrivacyIsTheAccuracyOnUnseenSamples() {
    assertTrue(ATTACK.trainingPrivacy(splits(true), Feature.CONFIDENCE) > 0.9);
    Splits blind = new Splits(draw(900, 0, 5), draw(300, 0, 6), draw(600, 0, 7));
    double noise = 5 * 0.5 / Math.sqrt(600);
    assertEquals(0.5, ATTACK.trainingPrivacy(blind, Feature.CONFIDENCE), noise);
  }

  @Test
  void theThresholdIsTheBestOfAll() {
    SplittableRandom random = new SplittableRandom(1);
    for (int round = 0; round < 50; round++) {
      double[] members = random.ints(9, 0, 6).asDoubleStream().toArray();
      double[] others = random.ints(7, -2, 4).asDoubleStream().toArray();
      double found = right(members, others, MembershipInference.threshold(members, others));
      for (double threshold = -3; threshold < 8; threshold += 0.5) {
        assertTrue(found >= right(members, others, threshold) - 1e-12);
      }
    }
  }

  private static double right(double[] members, double[] others, double threshold) {
    double sum = 0;
    for (double member : members) {
      sum += member >= threshold ? 1.0 / members.length : 0;
    }
    for (double other : others) {
      sum += other < threshold ? 1.0 / others.length : 0;
    }
    return sum;
  }

  @Test
  void tooFewSamplesGiveNoNumber() {
    Splits few = new Splits(draw(50, 4, 1), draw(3, 0, 2), draw(50, 0, 3));
    assertTrue(Double.isNaN(ATTACK.lossAttack(few)));
    Predictions some = draw(50, 0, 4);
    Predictions none = draw(0, 0, 5);
    for (Splits splits :
        new Splits[] {new Splits(none, some, some), new Splits(some, some, draw(1, 0, 6))}) {
      assertTrue(Double.isNaN(ATTACK.trainingPrivacy(splits, Feature.CONFIDENCE)));
    }
    for (Splits splits :
        new Splits[] {
          new Splits(none, some, some), new Splits(some, none, some), new Splits(some, some, none)
        }) {
      assertTrue(Double.isNaN(ATTACK.efficacy(splits, Feature.CONFIDENCE)));
      assertTrue(Double.isNaN(ATTACK.entropyAttack(splits)));
    }
    for (Splits splits :
        new Splits[] {new Splits(some, none, some), new Splits(some, some, none)}) {
      assertTrue(Double.isNaN(ATTACK.lossAttack(splits)));
      assertTrue(Double.isNaN(ATTACK.thresholdAttack(splits, Feature.CONFIDENCE)));
    }
  }

  /**
   * Samples of classes that are not forgotten would tell the attacker of classes, not of members.
   */
  @Test
  void theLossAttackComparesWithTheForgottenClassesAlone() {
    float[] alike = new float[80];
    float[] test = new float[160];
    int[] labels = new int[80];
    for (int n = 0; n < 40; n++) {
      labels[40 + n] = 1;
      test[80 + 2 * n] = 9;
    }
    Predictions same = Predictions.of(2, new int[40], alike);
    Splits splits = new Splits(same, same, Predictions.of(2, labels, test));
    assertEquals(0.5, ATTACK.lossAttack(splits));
  }

  /**
   * Class 0: of members at 0.9 and 0.1 and strangers at 0.5 one of each is learnt, and the other
   * then judged half right. Class 1, twice as large: all is told.
   */
  @Test
  void theThresholdAttackLearnsOnOneHalfAndIsJudgedOnTheOther() {
    Predictions members = confident(new int[] {0, 0, 1, 1, 1, 1}, 0.9, 0.1, 0.95, 0.95, 0.95, 0.95);
    Predictions strangers = confident(new int[] {0, 0, 1, 1, 1, 1}, 0.5, 0.5, 0.2, 0.2, 0.2, 0.2);
    Splits splits = new Splits(members, members, strangers);
    assertEquals(
        (2 * 0.5 + 4 * 1.0) / 6, ATTACK.thresholdAttack(splits, Feature.CONFIDENCE), 1e-12);
    assertThrows(
        IllegalArgumentException.class, () -> ATTACK.thresholdAttack(splits, Feature.CORRECTNESS));
    assertThrows(IllegalArgumentException.class, () -> new MembershipInference(1, 1));
    assertEquals(2, new MembershipInference(2, 1).most());
  }

  /** Two classes, with these probabilities of the samples' own labels. */
  private static Predictions confident(int[] labels, double... own) {
    float[] logits = new float[2 * labels.length];
    for (int n = 0; n < labels.length; n++) {
      logits[2 * n + labels[n]] = (float) Math.log(own[n] / (1 - own[n]));
    }
    return Predictions.of(2, labels, logits);
  }
}
