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
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Trainer;
import org.junit.jupiter.api.Test;

class CounterfactualTest {
  /** What each example adds to each query's margin; seeds add noise whose mean over two is 0. */
  private static final double[][] SUPPORT = {{3, -1, 0.5, 2, -0.25}, {0.25, 1, -2, 0.5, 1.5}};

  private static final Retraining ADDITIVE =
      (kept, seed) -> {
        double[] f = new double[SUPPORT.length];
        for (int q = 0; q < f.length; q++) {
          f[q] = seed % 2 == 0 ? 0.125 : -0.125;
          for (long j : kept) {
            f[q] += SUPPORT[q][(int) j];
          }
        }
        return f;
      };

  @Test
  void leavingOneOutAgreesWithWhatEachAdds() {
    double[][] opposite = new double[2][5];
    for (int q = 0; q < 2; q++) {
      for (int j = 0; j < 5; j++) {
        opposite[q][j] = -2 * SUPPORT[q][j];
      }
    }
    LeaveOneOut found = LeaveOneOut.of(opposite, new int[] {0, 1, 3, 4}, ADDITIVE, 1, 2);
    assertEquals(1, found.value(), 1e-12);
    assertArrayEquals(new double[] {-3, 1, -2, 0.25}, found.changes()[0], 1e-12);
    double other = LeaveOneOut.of(SUPPORT, new int[] {0, 1, 3, 4}, ADDITIVE, 1, 2).value();
    assertEquals(-1, other, 1e-12);
  }

  @Test
  void removingTheMostSupportingFlipsAtTheLeastCount() {
    // Query 0: 4.25; without 3 1.25, without 3 and 2 −0.75. Query 1: 1.25, −0.25 without 1.5.
    SubsetRemoval removed = SubsetRemoval.of(SUPPORT, new int[] {0, 1, 2, 4}, ADDITIVE, 4, 2);
    assertArrayEquals(new double[] {4.25, 1.25}, removed.before(), 1e-12);
    assertArrayEquals(new double[] {1.25, -0.25}, removed.after()[1], 1e-12);
    assertEquals(0, removed.flipped(0));
    assertEquals(0.5, removed.flipped(1));
    assertEquals(1, removed.flipped(2));
    assertEquals(2.25, removed.fall(1), 1e-12);
    assertEquals(2, removed.brittleness(0));
    assertEquals(1, removed.brittleness(1));
    double[][] wrong = {{-1, -1, -1, -1, -1}, {-1, -1, 5, -1, -1}};
    assertEquals(-1, SubsetRemoval.of(wrong, new int[] {1}, ADDITIVE, 4, 2).brittleness(1));
  }

  @Test
  void gridsAndSeedsAreChecked() {
    for (int[] grid : new int[][] {{5}, {2, 2}, {-1}}) {
      assertThrows(
          IllegalArgumentException.class, () -> SubsetRemoval.of(SUPPORT, grid, ADDITIVE, 1, 1));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> SubsetRemoval.of(SUPPORT, new int[] {1}, ADDITIVE, 1, 0));
    double[][] random = SubsetRemoval.random(2, 5, 3);
    assertArrayEquals(random[1], SubsetRemoval.random(2, 5, 3)[1]);
  }

  @Test
  void aNetworkIsTrainedOnWhatIsKept() {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 120, 1, 0.3);
    Normalisation normalisation = Normalisation.of(data);
    Trainer trainer = new Trainer(6, 16, Optimiser.adam(1e-3), 9);
    try (Backend backend = Device.cpu(1).open()) {
      Retraining losses =
          Retraining.of(
              Architectures.mlp(Extent.image(28, 28, 1), 10, 16),
              backend,
              trainer,
              data,
              normalisation,
              data,
              Retraining.Outcome.LOSS);
      Retraining margins =
          Retraining.of(
              Architectures.mlp(Extent.image(28, 28, 1), 10, 16),
              backend,
              trainer,
              data,
              normalisation,
              data,
              Retraining.Outcome.MARGIN);
      long[] all = Retraining.without(120);
      double[] loss = losses.measure(all, 5);
      assertArrayEquals(loss, losses.measure(all, 5));
      double[] margin = margins.measure(all, 5);
      for (int q = 0; q < 120; q++) {
        // loss = log(1 + exp(−margin))
        assertEquals(Math.log1p(Math.exp(-margin[q])), loss[q], 1e-5 * (1 + loss[q]));
      }
      double[] without = losses.mean(Retraining.without(120, 7), 5, 2);
      double[] both = losses.mean(all, 5, 2);
      assertTrue(without[7] > both[7], without[7] + " without it, " + both[7] + " with it");
    }
  }
}
