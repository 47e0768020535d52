package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PredictionsTest {
  @Test
  void modifiedEntropyIsThatOfANaiveLoop() {
    SplittableRandom random = new SplittableRandom(1);
    int classes = 7;
    int[] labels = random.ints(50, 0, classes).toArray();
    float[] logits = new float[50 * classes];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) (4 * random.nextDouble() - 2);
    }
    Predictions predictions = Predictions.of(classes, labels, logits);
    for (int n = 0; n < 50; n++) {
      double[] p = new double[classes];
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        p[c] = Math.exp(logits[n * classes + c]);
        sum += p[c];
      }
      double naive = 0;
      for (int c = 0; c < classes; c++) {
        p[c] /= sum;
        naive -= c == labels[n] ? (1 - p[c]) * Math.log(p[c]) : p[c] * Math.log(1 - p[c]);
      }
      // Each probability is rounded to float once: relative 2⁻²⁴, and the logarithms' derivatives
      // are at most 1/p ≤ classes·e⁴.
      assertEquals(naive, predictions.modifiedEntropy(n), classes * 0x1p-24 * classes * 55);
      assertEquals(-Math.log(p[labels[n]]), predictions.loss(n), 1e-12);
    }
  }

  @Test
  void modifiedEntropyAtTheEnds() {
    Predictions sure = Predictions.of(3, new int[] {0, 1}, 200, 0, 0, 200, 0, 0);
    assertEquals(0, sure.modifiedEntropy(0), "sure and right");
    // Sure and wrong: −1·log 0 − 1·log 0, both cut at 10⁻³⁰.
    assertEquals(-2 * Math.log(1e-30), sure.modifiedEntropy(1), 1e-12);
    assertEquals(0, sure.entropy(1));
  }

  @Test
  void logOddsKeepTheirDigitsWhereTheModelIsSure() {
    Predictions predictions = Predictions.of(3, new int[] {1, 0}, 0.3f, -1.2f, 2, 40, -40, -40);
    double p = predictions.probability(0, 1);
    // p is rounded to float: relative 2⁻²⁴, and the derivative by log p is 1/(1 − p).
    assertEquals(Math.log(p / (1 - p)), predictions.logOdds(0), 0x1p-24 / (1 - p));
    // p rounds to 1 here, and log 0 would be infinite.
    assertEquals(80 - StrictMath.log(2), predictions.logOdds(1));
  }

  @Test
  void largeOutputsDoNotOverflowAndOfEqualOnesTheFirstIsTheAnswer() {
    Predictions large = Predictions.of(2, new int[] {0, 1}, 2000, 1999, 7, 7);
    assertEquals(StrictMath.log1p(StrictMath.exp(-1)), large.loss(0), 1e-12);
    assertEquals(1 / (1 + StrictMath.exp(-1)), large.confidence(0), 1e-6);
    assertEquals(1, large.logOdds(0));
    assertEquals(0, large.answer(1));
    for (int[] shape : new int[][] {{0, 1, 1}, {2, 1, 3}}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> Predictions.of(shape[0], new int[shape[1]], new float[shape[2]]));
    }
  }

  @Test
  void accuracyIsCorrectOverAll() {
    Predictions predictions = Predictions.of(2, new int[] {0, 0, 1}, 1, 0, 0, 1, 0, 1);
    assertEquals(2.0 / 3, predictions.accuracy());
    assertArrayEquals(new double[] {0.5, 1}, predictions.accuracyByClass());
    assertArrayEquals(new long[][] {{1, 1}, {0, 1}}, predictions.confusion());
    assertTrue(Double.isNaN(predictions.where(n -> false).accuracy()));
    assertEquals(1, predictions.at(2, 0).accuracy());
    assertThrows(IllegalArgumentException.class, () -> Predictions.of(2, new int[] {2}, 1, 0));
  }

  @Test
  void aBrokenModelIsNotTakenForOneThatHasForgotten() {
    for (float broken : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> Predictions.of(2, new int[] {0, 1}, 1, 0, broken, 0));
      assertTrue(refused.getMessage().contains("id 1"), refused.getMessage());
    }
    Dataset digits = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, 3, 1);
    Dataset letters = Glyphs.draw(Glyphs.Alphabet.LETTERS, Glyphs.Split.TEST, 3, 1);
    Normalisation normalisation = Normalisation.identity(1);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(Architectures.mlp(Extent.image(28, 28, 1), 10, 4), 1);
        Predictor predictor = new Predictor(model, backend, 3)) {
      assertEquals(3, Predictions.of(predictor, digits, normalisation).size());
      // Their labels would be looked for among the outputs of the next sample.
      IllegalArgumentException more =
          assertThrows(
              IllegalArgumentException.class,
              () -> Predictions.of(predictor, letters, normalisation));
      assertTrue(more.getMessage().contains("26 classes"), more.getMessage());
      model.parameters().flat().set(model.parameters().count() - 1, Float.NaN);
      assertThrows(
          IllegalArgumentException.class, () -> Predictions.of(predictor, digits, normalisation));
    }
  }
}
