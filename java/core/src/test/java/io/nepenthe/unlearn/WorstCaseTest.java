package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class WorstCaseTest {
  @Test
  void theProjectionIsOnTheSimplexAndStaysThere() {
    SplittableRandom random = new SplittableRandom(1);
    for (double total : new double[] {0, 1, 7.5, 39, 40}) {
      double[] w = random.doubles(40, -2, 3).toArray();
      double[] given = w.clone();
      CappedSimplex.project(w, total);
      assertEquals(total, Arrays.stream(w).sum(), 40 * 0x1p-50);
      for (double value : w) {
        assertTrue(value >= 0 && value <= 1);
      }
      double[] again = w.clone();
      CappedSimplex.project(again, total);
      assertArrayEquals(w, again, 0x1p-49);
      // Nearest: no feasible exchange of mass between two coordinates comes closer.
      for (int i = 0; i < 40; i++) {
        for (int j = 0; j < 40; j++) {
          double mass = Math.min(1e-3, Math.min(1 - w[i], w[j]));
          double gain =
              square(w[i] + mass - given[i])
                  + square(w[j] - mass - given[j])
                  - square(w[i] - given[i])
                  - square(w[j] - given[j]);
          assertTrue(gain >= -1e-12, "moving " + mass + " from " + j + " to " + i);
        }
      }
    }
    assertThrows(IllegalArgumentException.class, () -> CappedSimplex.project(new double[2], 3));
  }

  private static double square(double x) {
    return x * x;
  }

  @Test
  void theWorstKeepALowLossWhenForgottenAndTheEasiestDoNot() {
    Dataset data = Subset.range(TinyTask.CLEAN, 0, 399);
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      double worst = loss(model, backend, data, choose(model, backend, data, false));
      double easiest = loss(model, backend, data, choose(model, backend, data, true));
      double random =
          loss(model, backend, data, Datasets.ids(Datasets.split(data, 0.1, 1).first()));
      assertTrue(worst < random && random < easiest, worst + ", " + random + ", " + easiest);
    }
  }

  private static long[] choose(Model model, Backend backend, Dataset data, boolean easiest) {
    WorstCase method = new WorstCase(40, 4, 3, 1e-3, 1, 0, easiest, 64, 1);
    WorstCase.Chosen chosen =
        method.choose(model, backend, data, TinyTask.NORMALISATION, Listener.NONE);
    assertEquals(40, chosen.ids().length);
    assertEquals(40, Arrays.stream(chosen.weights()).sum(), 1e-9);
    return chosen.ids();
  }

  /** The loss of these samples after the others were fine-tuned on. */
  private static double loss(Model trained, Backend backend, Dataset data, long... ids) {
    Forgetting task = Forgetting.ofIds(data, ids, TinyTask.NORMALISATION, TinyTask.RECIPE);
    try (Model model = trained.copy()) {
      new FineTune(new Steps(3, 64, Optimiser.sgd(3e-3, 0.9, 5e-4)))
          .forget(model, backend, task, 1, Listener.NONE);
      try (Predictor predictor = new Predictor(model, backend, 64)) {
        return predictor.evaluate(task.forget(), TinyTask.NORMALISATION).meanLoss();
      }
    }
  }

  /** Both levels step by step in float64. */
  @Test
  void theWeightsFollowTheLossesAfterUnlearning() {
    double rate = 0.02;
    double weightRate = 2;
    double gamma = 0.4;
    int samples = 20;
    Dataset data = SoftmaxByHand.DATA;
    int n = (int) data.size();
    for (boolean easiest : new boolean[] {false, true}) {
      WorstCase method = new WorstCase(samples, 3, 2, rate, weightRate, gamma, easiest, 16, 5);
      double[] weights = new double[n];
      Arrays.fill(weights, (double) samples / n);
      double[] losses = new double[n];
      try (Backend backend = Device.cpu(1).open();
          Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
        for (int round = 0; round < 3; round++) {
          SoftmaxByHand hand = SoftmaxByHand.of(model);
          for (int epoch = 0; epoch < 2; epoch++) {
            Batches batches = Batches.shuffled(data, 16, 5, epoch);
            for (long b = 0; b < batches.count(); b++) {
              hand.add(
                  batches,
                  b,
                  batches.size(b),
                  (id, label, z, slope) -> {
                    double loss = SoftmaxByHand.crossEntropy(label, z, slope);
                    Arrays.setAll(slope, c -> (1 - weights[(int) id - 100]) * slope[c]);
                    return loss;
                  });
              Arrays.setAll(hand.gradient(), j -> Math.signum(hand.gradient()[j]));
              hand.step(rate);
            }
          }
          for (int i = 0; i < n; i++) {
            losses[i] = hand.add(data, i, data.label(i), 0, SoftmaxByHand.LOSS);
            double slope = (easiest ? -losses[i] : losses[i]) + 2 * gamma * weights[i];
            weights[i] -= weightRate * slope;
          }
          CappedSimplex.project(weights, samples);
        }
        long[] heard = new long[2];
        WorstCase.Chosen chosen =
            method.choose(
                model,
                backend,
                data,
                SoftmaxByHand.PLAIN,
                (phase, done, total) -> {
                  heard[0] = done;
                  heard[1] = total;
                });
        assertArrayEquals(losses, chosen.losses(), 1e-5);
        assertArrayEquals(weights, chosen.weights(), 1e-5);
        assertArrayEquals(new long[] {6, 6}, heard);
        // Whom no other may replace: more weight, or as much and less (for the easiest more) loss.
        for (int i = 0; i < n; i++) {
          int before = 0;
          for (int j = 0; j < n; j++) {
            double more = chosen.weights()[j] - chosen.weights()[i];
            double less = chosen.losses()[i] - chosen.losses()[j];
            before += more > 0 || more == 0 && (easiest ? -less : less) > 0 ? 1 : 0;
          }
          boolean in = Arrays.binarySearch(chosen.ids(), 100 + i) >= 0;
          assertEquals(before < samples, in, "sample " + i);
        }
        assertTrue(
            Arrays.stream(chosen.weights()).filter(w -> w == 1).count() > 1, "equal weights");
      }
    }
  }

  /** Weights that never move are all equal. */
  @Test
  void ofEqualWeightsTheLossDecides() {
    for (boolean easiest : new boolean[] {false, true}) {
      WorstCase method = new WorstCase(20, 1, 1, 0.02, 0, 0, easiest, 16, 5);
      try (Backend backend = Device.cpu(1).open();
          Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
        WorstCase.Chosen chosen =
            method.choose(model, backend, SoftmaxByHand.DATA, SoftmaxByHand.PLAIN, Listener.NONE);
        double[] sorted = chosen.losses();
        Arrays.sort(sorted);
        for (int i = 0; i < 60; i++) {
          double loss = chosen.losses()[i];
          assertEquals(
              easiest ? loss >= sorted[40] : loss <= sorted[19],
              Arrays.binarySearch(chosen.ids(), 100 + i) >= 0,
              "sample " + i);
        }
      }
    }
  }

  @Test
  void asManyAsThereAreIsNoChoice() {
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
      WorstCase all = new WorstCase(60, 1, 1, 1, 1, 0, false, 16, 5);
      assertThrows(
          IllegalArgumentException.class,
          () -> all.choose(model, backend, SoftmaxByHand.DATA, SoftmaxByHand.PLAIN, Listener.NONE));
    }
  }
}
