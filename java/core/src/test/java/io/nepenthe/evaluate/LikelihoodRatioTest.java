package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The attack, relearn time and similarity on a network that knows 300 hard digits by heart. */
class LikelihoodRatioTest {
  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 700, 5, 1.5);
  private static final Dataset RETAIN = Subset.range(DATA, 0, 299);
  private static final Dataset FORGET = Subset.range(DATA, 300, 499);
  private static final Dataset TEST = Subset.range(DATA, 500, 699);
  private static final Normalisation NORMALISATION = Normalisation.of(DATA);
  private static final Network NETWORK = Architectures.mlp(Extent.image(28, 28, 1), 10, 64);
  private static final Trainer RECIPE = new Trainer(25, 32, Optimiser.adam(2e-3), 1);

  private static Model train(Backend backend, Dataset data) {
    Model model = Model.initialise(NETWORK, 3);
    RECIPE.train(model, backend, data, NORMALISATION, Trainer.Progress.NONE);
    return model;
  }

  private static Splits splits(Model model, Backend backend) {
    return Splits.of(model, backend, RETAIN, FORGET, TEST, NORMALISATION);
  }

  @Test
  void tellsWhatWasTrainedOnAndHowSoonItIsLearntAgain() {
    try (Backend backend = Device.cpu(2).open();
        Model knows = train(backend, Subset.range(DATA, 0, 499));
        Model retrained = train(backend, RETAIN)) {
      LikelihoodRatio attack =
          LikelihoodRatio.train(
              NETWORK, backend, RECIPE, RETAIN, FORGET, TEST, NORMALISATION, 3, 7, Progress.NONE);
      Splits known = splits(knows, backend);
      Splits forgotten = splits(retrained, backend);
      LikelihoodRatio.Outcome found = attack.attack(known.forget(), known.test());
      LikelihoodRatio.Outcome blind = attack.attack(forgotten.forget(), forgotten.test());
      assertTrue(found.areaUnderCurve() > 0.85, "found " + found.areaUnderCurve());
      assertTrue(found.truePositiveRate() > 0.1, "found " + found.truePositiveRate());
      // 200 against 200: deviation of the area about 0.029; five of them.
      assertEquals(0.5, blind.areaUnderCurve(), 5 * 0.029);
      assertThrows(
          IllegalArgumentException.class, () -> attack.attack(known.retain(), known.test()));
      relearnTime(backend, knows, retrained);
      similarity(backend, knows, retrained);
    }
  }

  private static void relearnTime(Backend backend, Model knows, Model retrained) {
    double loss;
    try (Predictor predictor = new Predictor(knows, backend, 100)) {
      loss = predictor.evaluate(FORGET, NORMALISATION).meanLoss();
    }
    RelearnTime time = new RelearnTime(500, 64, 0.1, 30, 1);
    Dataset training = Subset.range(DATA, 0, 499);
    assertEquals(1, time.rounds(knows, backend, loss, training, FORGET, NORMALISATION));
    int rounds = time.rounds(retrained, backend, loss, training, FORGET, NORMALISATION);
    assertTrue(rounds > 3, "rounds " + rounds);
  }

  private static void similarity(Backend backend, Model knows, Model retrained) {
    SequencedMap<String, Double> own = layers(knows, backend).similarity(layers(knows, backend));
    SequencedMap<String, Double> other =
        layers(knows, backend).similarity(layers(retrained, backend));
    assertEquals(List.of("fc1", "fc2"), List.copyOf(own.keySet()));
    own.values().forEach(value -> assertEquals(1, value, 1e-9));
    other.values().forEach(value -> assertTrue(value > 0.2 && value < 0.9999, "" + value));
  }

  @Test
  void theAreaIsTheChanceOfAPair() {
    SplittableRandom random = new SplittableRandom(1);
    double[] members = random.ints(13, 0, 9).asDoubleStream().toArray();
    double[] others = random.ints(11, -3, 7).asDoubleStream().toArray();
    double pairs = 0;
    for (double member : members) {
      for (double other : others) {
        pairs += member > other ? 1 : member == other ? 0.5 : 0;
      }
    }
    assertEquals(pairs / 143, Ranks.area(members, others), 1e-12);
  }

  @Test
  void theRatioIsOfTheTwoNormalDistributions() {
    // One sample of each set; outside 0 and 2, inside 3 and 5: means 1 and 4, deviation √2.
    double[][][] phi = {{{0, 2}, {0, 2}}, {{3, 5}, {3, 5}}};
    LikelihoodRatio attack = LikelihoodRatio.fit(phi, 1, 1);
    Predictions member = Predictions.of(2, new int[] {0}, 4, 0);
    Predictions stranger = Predictions.of(2, new int[] {1}, 0, 1);
    LikelihoodRatio.Outcome outcome = attack.attack(member, stranger);
    assertEquals(9.0 / 4, outcome.forgetScores()[0], 1e-12);
    assertEquals(-9.0 / 4, outcome.strangerScores()[0], 1e-12);
    assertEquals(1, outcome.areaUnderCurve());
    assertEquals(Interval.wilson(1, 1), outcome.areaInterval());
    assertTrue(Double.isNaN(outcome.truePositiveRate()), "1 % of one sample is none");
  }

  private static LinearCka.Layers layers(Model model, Backend backend) {
    return LinearCka.Layers.of(model, backend, TEST, NORMALISATION);
  }

  /** A hundredth of 200 strangers score higher than the threshold, and 60 of 100 members. */
  @Test
  void theThresholdLetsAHundredthOfTheStrangersPass() {
    double[][][] phi = new double[2][300][2];
    for (int n = 0; n < 300; n++) {
      phi[0][n] = new double[] {-1, 1};
      phi[1][n] = new double[] {4, 6};
    }
    float[] strangers = new float[400];
    for (int n = 0; n < 200; n++) {
      strangers[2 * n] = n;
    }
    float[] members = new float[200];
    for (int n = 0; n < 100; n++) {
      members[2 * n] = n < 60 ? 197.5f : 196.5f;
    }
    LikelihoodRatio.Outcome outcome =
        LikelihoodRatio.fit(phi, 100, 200)
            .attack(
                Predictions.of(2, new int[100], members),
                Predictions.of(2, new int[200], strangers));
    assertEquals(0.6, outcome.truePositiveRate());
  }
}
