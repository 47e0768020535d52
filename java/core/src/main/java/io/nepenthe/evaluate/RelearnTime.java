package io.nepenthe.evaluate;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Learner;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * How soon a model knows again what it was made to forget: rounds of training on 500 samples drawn
 * from D with replacement, SGD at 0.1, statistics frozen, until the loss on D_f is back at the
 * original model's; a round more than were needed is reported, so 1 means that nothing was
 * forgotten (Golatkar et al., CVPR 2020; Kurmanji et al., NeurIPS 2023). Few rounds betray what is
 * still there.
 *
 * @param samples drawn a round
 * @param batchSize of its steps
 * @param rate of SGD
 * @param most rounds before giving up
 * @param seed of the draws
 */
public record RelearnTime(int samples, int batchSize, double rate, int most, long seed) {
  private static final double TOLERANCE = 1e-5;

  /** Checks the numbers. */
  public RelearnTime {
    if (samples < 1 || batchSize < 1 || most < 1) {
      throw new IllegalArgumentException("samples, batchSize and most must be positive");
    }
  }

  /** 500 samples a round in batches of 64, rate 0.1, at most 100 rounds. */
  public static RelearnTime published(long seed) {
    return new RelearnTime(500, 64, 0.1, 100, seed);
  }

  /**
   * The rounds.
   *
   * @param unlearned is copied, not changed
   * @param loss on D_f of the original model: what is to be reached
   * @param training D
   * @return 1 … most, plus 1 where it was not reached
   */
  public int rounds(
      Model unlearned,
      Backend backend,
      double loss,
      Dataset training,
      Dataset forget,
      Normalisation normalisation) {
    Optimiser sgd = Optimiser.sgd(rate, 0, 0);
    try (Model copy = unlearned.copyTo(backend);
        Predictor predictor = new Predictor(copy, backend, 256);
        Learner learner =
            new Learner(
                copy,
                backend,
                batchSize,
                Mode.FROZEN,
                sgd.start(copy.parameters(), backend),
                new CrossEntropy())) {
      SplittableRandom random = new SplittableRandom(seed);
      for (int round = 0; round < most; round++) {
        if (predictor.evaluate(forget, normalisation).meanLoss() <= loss + TOLERANCE) {
          return round + 1;
        }
        round(learner, training, normalisation, random);
      }
      return most + 1;
    }
  }

  private void round(
      Learner learner, Dataset training, Normalisation normalisation, SplittableRandom random) {
    long[] drawn = new long[samples];
    Arrays.setAll(drawn, i -> random.nextLong(training.size()));
    Batches batches = Batches.inOrder(Subset.drawn(training, drawn), batchSize);
    int[] labels = new int[batchSize];
    long[] ids = new long[batchSize];
    learner.tally().clear(); // nobody asks for these losses: their room shall not run out
    for (long b = 0; b < batches.count(); b++) {
      int n = learner.execution().load(batches, b, labels, ids, normalisation);
      learner.step(n, labels, 1);
    }
  }
}
