package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.TinyData;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.SquaredError;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Figures against their definitions, written out. */
class EvaluationFormulasTest {
  private static final ImageShape IMAGE = new ImageShape(2, 3, 1);
  private static final Normalisation PLAIN = Normalisation.identity(1);

  private static Predictions random(SplittableRandom random, int size, int classes) {
    int[] labels = random.ints(size, 0, classes).toArray();
    float[] logits = new float[size * classes];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) (4 * random.nextDouble() - 2);
    }
    return Predictions.of(classes, labels, logits);
  }

  @Property(tries = 20)
  void featuresAreThoseOfTheSoftmax(@ForAll long seed) {
    Predictions predictions = random(new SplittableRandom(seed), 6, 4);
    for (int n = 0; n < 6; n++) {
      double sum = 0;
      for (int c = 0; c < 4; c++) {
        sum += Math.exp(predictions.logit(n, c));
      }
      double entropy = 0;
      int best = 0;
      for (int c = 0; c < 4; c++) {
        double p = Math.exp(predictions.logit(n, c)) / sum;
        entropy -= p * Math.log(p);
        best = predictions.logit(n, c) > predictions.logit(n, best) ? c : best;
        assertEquals(p, Feature.PROBABILITIES.of(predictions, n)[c], 1e-6);
      }
      double own = Math.exp(predictions.logit(n, predictions.label(n))) / sum;
      assertEquals(own, Feature.CONFIDENCE.of(predictions, n)[0], 1e-6);
      assertEquals(entropy, Feature.ENTROPY.of(predictions, n)[0], 1e-5);
      assertEquals(best == predictions.label(n) ? 1 : 0, Feature.CORRECTNESS.of(predictions, n)[0]);
      assertEquals(predictions.modifiedEntropy(n), Feature.MODIFIED_ENTROPY.of(predictions, n)[0]);
      assertEquals(Math.log(own / (1 - own)), predictions.logOdds(n), 1e-5);
    }
  }

  @Test
  void theThreeAccuraciesAreOfTheirSets() {
    Predictions retain = Predictions.of(2, new int[] {0, 0, 1, 1}, 1, 0, 1, 0, 0, 1, 1, 0);
    Predictions forget = Predictions.of(2, new int[] {0, 0, 1}, 1, 0, 0, 1, 1, 0);
    Splits splits = new Splits(retain, forget, retain.at(0, 3));
    assertEquals(0.75, splits.retainAccuracy());
    assertEquals(2.0 / 3, splits.unlearningAccuracy(), 1e-12);
    assertEquals(0.5, splits.testAccuracy());
  }

  /** Shadows that all answer alike, and a single pair: its spread is that of all samples. */
  @Test
  void theSpreadOfASinglePairOfShadowsIsThatOfAllSamples() {
    double[][][] phi = {{{0}, {2}}, {{3}, {7}}};
    // Outside mean 1, deviation √(2/2); inside mean 5, deviation √(8/2).
    LikelihoodRatio attack = LikelihoodRatio.fit(phi, 1, 1);
    Predictions member = Predictions.of(2, new int[] {0}, 4, 0);
    double outside = -(4.0 - 0) * (4 - 0) / 2;
    double inside = -Math.log(2) - (4.0 - 3) * (4 - 3) / 8;
    LikelihoodRatio.Outcome found = attack.attack(member, member);
    assertEquals(inside - outside, found.forgetScores()[0], 1e-12);
    double second = -Math.log(2) - 9.0 / 8 + 4.0 / 2;
    assertEquals(second, found.strangerScores()[0], 1e-12);
    // Of three: outside mean 0, deviation √(4 / (2·2)); inside mean 5, deviation √(16 / (2·2)).
    double[][][] three = {{{-1, 0, 1}, {-1, 0, 1}}, {{3, 5, 7}, {3, 5, 7}}};
    double of = LikelihoodRatio.fit(three, 1, 1).attack(member, member).forgetScores()[0];
    assertEquals(-Math.log(2) - 1.0 / 8 + 8, of, 1e-12);
    double[][][] alike = {{{1, 1}, {1, 1}}, {{2, 2}, {2, 2}}};
    double score = LikelihoodRatio.fit(alike, 1, 1).attack(member, member).forgetScores()[0];
    assertEquals((9.0 - 4) / 2e-12, score, 1e3, "of deviation 10⁻⁶");
  }

  @Test
  void aModelIsRelearntFromTheRoundOnInWhichItsLossIsReached() {
    TinyData data = new TinyData(40, IMAGE, 3, 3, 0);
    RelearnTime time = new RelearnTime(30, 8, 0.1, 5, 1);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(Architectures.mlp(Extent.image(2, 3, 1), 3), 1);
        Predictor predictor = new Predictor(model, backend, 40)) {
      double loss = predictor.evaluate(data, PLAIN).meanLoss();
      assertEquals(1, time.rounds(model, backend, loss, data, data, PLAIN));
      assertEquals(1, time.rounds(model, backend, loss - 0.9e-5, data, data, PLAIN));
      int next = time.rounds(model, backend, loss - 1e-3, data, data, PLAIN);
      assertTrue(next > 1 && next < 6, "rounds " + next);
      assertEquals(6, time.rounds(model, backend, 0, data, data, PLAIN), "not reached");
      assertEquals(loss, predictor.evaluate(data, PLAIN).meanLoss(), "of a copy");
    }
    assertEquals(1, new RelearnTime(1, 1, 0.1, 1, 1).most());
    assertThrows(IllegalArgumentException.class, () -> new RelearnTime(0, 1, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new RelearnTime(1, 0, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new RelearnTime(1, 1, 1, 0, 1));
  }

  /** A feature that a fifth of one side and nine tenths of the other have, sides of all sizes. */
  @Test
  void logisticRegressionCountsBothSidesTheSame() {
    for (boolean few : new boolean[] {false, true}) {
      double[][] members = ones(few ? 10 : 90, few ? 9 : 18);
      double[][] others = ones(few ? 90 : 10, few ? 18 : 9);
      Predicate<double[]> member = Classifiers.logistic(members, others);
      assertEquals(few, member.test(new double[] {1005}));
      assertEquals(!few, member.test(new double[] {1000}));
    }
  }

  /** So many values 1000, of which some are 1005: far from 0, to be brought to one scale. */
  private static double[][] ones(int count, int larger) {
    double[][] rows = new double[count][1];
    Arrays.setAll(rows, i -> new double[] {i < larger ? 1005 : 1000});
    return rows;
  }

  @Test
  void aRegressionIsJudgedByItsErrors() {
    TinyData data = new TinyData(300, IMAGE, 3, 3, 0);
    double[] targets = {-1, 0.5, 2};
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(Architectures.mlp(Extent.image(2, 3, 1), 1), 1);
        Predictor predictor = new Predictor(model, backend, 64);
        Arena arena = Arena.ofConfined()) {
      Tensor outputs = predictor.logits(arena, data, PLAIN);
      double mean = 0;
      for (int n = 0; n < 300; n++) {
        mean += targets[data.label(n)] / 300;
      }
      double squares = 0;
      double absolutes = 0;
      double spread = 0;
      for (int n = 0; n < 300; n++) {
        double target = targets[data.label(n)];
        squares += Math.pow(outputs.get(n) - target, 2);
        absolutes += Math.abs(outputs.get(n) - target);
        spread += Math.pow(target - mean, 2);
      }
      RegressionError found = RegressionError.of(predictor, data, PLAIN, new SquaredError(targets));
      assertEquals(300, found.samples());
      assertEquals(squares / 300, found.meanSquared(), 1e-12);
      assertEquals(absolutes / 300, found.meanAbsolute(), 1e-12);
      assertEquals(1 - squares / spread, found.determination(), 1e-12);
      assertThrows(
          IllegalArgumentException.class,
          () -> RegressionError.of(predictor, data, PLAIN, new SquaredError(1, 2)));
    }
  }

  /** From the features' products rather than the samples', of any number of features. */
  @Property(tries = 30)
  void alignmentIsThatOfTheFeatures(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int n = random.nextInt(2, 9);
    float[][] x = draw(random, n, random.nextInt(1, 12));
    float[][] y = draw(random, n, random.nextInt(1, 12));
    double expected = squares(x, y) / Math.sqrt(squares(x, x) * squares(y, y));
    assertEquals(expected, LinearCka.of(x, y), 1e-9);
    assertEquals(LinearCka.of(y, x), LinearCka.of(x, y), 1e-12);
    float[][] fewer = Arrays.copyOf(y, n - 1);
    assertThrows(IllegalArgumentException.class, () -> LinearCka.of(x, fewer));
    float[][] one = Arrays.copyOf(x, 1);
    assertThrows(IllegalArgumentException.class, () -> LinearCka.of(one, one));
  }

  private static float[][] draw(SplittableRandom random, int n, int width) {
    float[][] rows = new float[n][width];
    for (float[] row : rows) {
      for (int d = 0; d < width; d++) {
        row[d] = (float) random.nextGaussian();
      }
    }
    return rows;
  }

  /** ‖YᵀX‖² of centred features. */
  private static double squares(float[][] x, float[][] y) {
    double sum = 0;
    for (int a = 0; a < x[0].length; a++) {
      for (int b = 0; b < y[0].length; b++) {
        double product = 0;
        for (int i = 0; i < x.length; i++) {
          product += (x[i][a] - mean(x, a)) * (y[i][b] - mean(y, b));
        }
        sum += product * product;
      }
    }
    return sum;
  }

  private static double mean(float[][] x, int column) {
    return Arrays.stream(x).mapToDouble(row -> row[column]).average().orElseThrow();
  }

  @Test
  void theFeaturesOfANodeAreItsOutputsForEverySample() {
    // More samples than one batch of it has.
    TinyData data = new TinyData(300, IMAGE, 3, 3, 0);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(Architectures.mlp(Extent.image(2, 3, 1), 3, 5), 1);
        Predictor predictor = new Predictor(model, backend, 300);
        Arena arena = Arena.ofConfined()) {
      Tensor outputs = predictor.logits(arena, data, PLAIN);
      int last = model.network().nodes().size() - 1;
      List<float[][]> found =
          LinearCka.features(model, backend, data, PLAIN, List.of(last, last - 2));
      for (int n = 0; n < 300; n++) {
        assertEquals(5, found.get(1)[n].length);
        float[] row = {outputs.get(3 * n), outputs.get(3 * n + 1), outputs.get(3 * n + 2)};
        assertArrayEquals(row, found.get(0)[n], 1e-6f);
      }
    }
  }

  @Property(tries = 30)
  void spearmanIsPearsonOfMeanRanks(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int n = random.nextInt(3, 12);
    double[] a = random.ints(n, 0, 5).asDoubleStream().toArray();
    double[] b = random.ints(n, 0, 5).asDoubleStream().toArray();
    double[] ra = ranks(a);
    double[] rb = ranks(b);
    double ma = Arrays.stream(ra).average().orElseThrow();
    double mb = Arrays.stream(rb).average().orElseThrow();
    double product = 0;
    double sa = 0;
    double sb = 0;
    for (int i = 0; i < n; i++) {
      product += (ra[i] - ma) * (rb[i] - mb);
      sa += Math.pow(ra[i] - ma, 2);
      sb += Math.pow(rb[i] - mb, 2);
    }
    double expected = sa * sb == 0 ? 0 : product / Math.sqrt(sa * sb);
    assertEquals(expected, LinearDatamodelingScore.spearman(a, b), 1e-12);
  }

  private static double[] ranks(double... values) {
    double[] ranks = new double[values.length];
    for (int i = 0; i < ranks.length; i++) {
      for (int j = 0; j < ranks.length; j++) {
        ranks[i] += values[j] < values[i] ? 1 : values[j] == values[i] && j != i ? 0.5 : 0;
      }
    }
    return ranks;
  }
}
