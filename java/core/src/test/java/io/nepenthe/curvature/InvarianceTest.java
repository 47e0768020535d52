package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What factors and scores must not depend on: threads, to the bit; the order of samples. */
class InvarianceTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData QUERIES = new TinyData(3, CurvatureNets.IMAGE, 3, 77, 500);
  private static final TinyData DATA = CurvatureNets.data(20);
  private static final Influence.Options OPTIONS = Influence.Options.defaults().withBatchSize(6);

  private static Model model;

  @BeforeAll
  static void open() {
    model = Model.initialise(CurvatureNets.all(), 3);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  /** Scores of the queries, and behind them the examples' own. */
  private static float[][] scores(Dataset data, Dataset training, int threads) {
    FactorOptions options = FactorOptions.defaults().withBatchSize(6).withSeed(4);
    try (Backend backend = Device.cpu(threads).open();
        KroneckerFactors factors =
            KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE);
        EkFac ekfac = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE);
        InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
        InfluenceScores pairs =
            Influence.pairwise(
                model,
                backend,
                inverse,
                QUERIES,
                Measurement.MARGIN,
                training,
                PLAIN,
                OPTIONS,
                Progress.NONE);
        InfluenceScores self =
            Influence.self(model, backend, inverse, training, PLAIN, OPTIONS, Progress.NONE)) {
      return new float[][] {pairs.raw().toArray(), self.raw().toArray()};
    }
  }

  @Test
  void threadsDoNotChangeABit() {
    float[][] one = scores(DATA, DATA, 1);
    float[][] three = scores(DATA, DATA, 3);
    assertArrayEquals(one[0], three[0]);
    assertArrayEquals(one[1], three[1]);
  }

  /** Sampled labels go with a sample's id, and sums with every order of terms but for rounding. */
  @Test
  void samplesInAnotherOrderHaveTheSameScores() {
    int n = (int) DATA.size();
    long[] order = new long[n];
    for (int i = 0; i < n; i++) {
      order[i] = 7L * i % n;
    }
    Dataset permuted = Subset.of(DATA, order);
    float[][] straight = scores(DATA, DATA, 2);
    float[][] mixed = scores(permuted, permuted, 2);
    for (int set = 0; set < 2; set++) {
      double largest = 0;
      for (float value : straight[set]) {
        largest = Math.max(largest, Math.abs(value));
      }
      assertTrue(largest > 0);
      for (int i = 0; i < mixed[set].length; i++) {
        int same = i / n * n + (int) order[i % n];
        // Statistics in float32, inverted with a tenth of their mean as damping.
        assertEquals(straight[set][same], mixed[set][i], 10 * 1e-5 * largest);
      }
    }
  }
}
