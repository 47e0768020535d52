package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Glyphs;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What becomes of the test data where classes are forgotten altogether. */
class SplitsTest {
  private static final MembershipInference ATTACK = MembershipInference.defaults(1);

  /** So many samples of each class, two after the other, with outputs around their labels. */
  private static Predictions draw(long seed, int... counts) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] labels =
        IntStream.range(0, counts.length)
            .flatMap(label -> IntStream.generate(() -> label).limit(counts[label]))
            .toArray();
    float[] logits = new float[labels.length * counts.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) random.nextGaussian();
    }
    for (int n = 0; n < labels.length; n++) {
      logits[n * counts.length + labels[n]] += 1;
    }
    return Predictions.of(counts.length, labels, logits);
  }

  /** Of class 1 everything is forgotten, of class 2 a part. */
  private static Splits splits(int... test) {
    return new Splits(draw(1, 90, 0, 80, 70), draw(2, 0, 60, 20, 0), draw(3, test));
  }

  @Test
  void aClassIsForgottenAltogetherIfNothingOfItIsKept() {
    Splits splits = splits(40, 50, 60, 30);
    assertArrayEquals(new int[] {1}, splits.forgottenClasses());
    assertEquals(130, splits.keptTest().size());
    assertEquals(50, splits.forgottenTest().size());
    assertEquals(110, splits.likeForgotten().size(), "of classes 1 and 2");
    int right = 0;
    for (int n = 0; n < 180; n++) {
      right +=
          splits.test().label(n) != 1 && splits.test().answer(n) == splits.test().label(n) ? 1 : 0;
    }
    assertEquals(right / 130.0, splits.testAccuracy());
    Splits part = new Splits(draw(1, 90, 1), draw(2, 0, 60), draw(3, 40, 50));
    assertArrayEquals(new int[0], part.forgottenClasses(), "one sample is kept");
    assertEquals(part.test().accuracy(), part.testAccuracy());
    assertEquals(0, part.forgottenTest().size());
    Splits gone = new Splits(draw(1, 90, 0), draw(2, 0, 60), draw(3, 0, 50));
    assertTrue(Double.isNaN(gone.testAccuracy()), "no test sample is of a kept class");
  }

  /** Every attack asks for them, and each set of predictions computes its probabilities. */
  @Test
  void whatFollowsFromTheLabelsIsFoundOnce() {
    Splits splits = splits(40, 50, 60, 30);
    assertSame(splits.keptTest(), splits.keptTest());
    assertSame(splits.forgottenTest(), splits.forgottenTest());
    assertSame(splits.likeForgotten(), splits.likeForgotten());
    Splits none = new Splits(draw(1, 90, 1), draw(2, 7, 60), draw(3, 40, 50));
    assertSame(none.test(), none.keptTest(), "nothing is copied where nothing is apart");
    assertSame(none.test(), none.likeForgotten());
    splits.forgottenClasses()[0] = 3;
    assertArrayEquals(new int[] {1}, splits.forgottenClasses(), "a copy");
  }

  @Test
  void ofDataSetsTheClassesAreTheSame() {
    Dataset all = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 40, 1);
    Dataset kept = Datasets.ofClasses(all, 0, 2, 3, 4, 5, 6, 8, 9);
    assertArrayEquals(
        new int[] {1, 7}, Splits.forgottenClasses(kept, Datasets.ofClasses(all, 7, 1, 2)));
  }

  /** Their outputs are unlike those of other classes and would be easy to tell. */
  @Test
  void whatAttacksLearnOfSamplesNeverSeenIsNotOfAForgottenClass() {
    Splits all = splits(40, 50, 60, 30);
    Splits without = new Splits(all.retain(), all.forget(), all.keptTest());
    for (Feature feature : Feature.values()) {
      assertEquals(ATTACK.efficacy(without, feature), ATTACK.efficacy(all, feature));
      assertEquals(ATTACK.trainingPrivacy(without, feature), ATTACK.trainingPrivacy(all, feature));
    }
    assertEquals(ATTACK.entropyAttack(without), ATTACK.entropyAttack(all));
  }

  @Test
  void theForgottenAreToldFromTestSamplesOfTheirOwnClasses() {
    Splits all = splits(40, 50, 60, 30);
    Splits own = new Splits(all.retain(), all.forget(), all.likeForgotten());
    assertEquals(ATTACK.lossAttack(own), ATTACK.lossAttack(all));
    assertEquals(
        ATTACK.thresholdAttack(own, Feature.CONFIDENCE),
        ATTACK.thresholdAttack(all, Feature.CONFIDENCE));
  }
}
