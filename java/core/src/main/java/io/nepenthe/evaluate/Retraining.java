package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Trainer;
import java.util.stream.IntStream;

/**
 * What training on a part of the data gives: the experiment that influences predict. Results for
 * several seeds are averaged, because one run differs from the next by more than a few examples
 * can.
 */
@FunctionalInterface
public interface Retraining {
  /**
   * Trains and measures.
   *
   * @param kept ascending positions of the examples that are trained on
   * @param seed of the initial weights and the order of examples
   * @return f of every query
   */
  double[] measure(long[] kept, long seed);

  /** What is measured of a query. */
  enum Outcome {
    /** −log p(label). */
    LOSS,
    /** z_label − log Σ_{c ≠ label} exp z_c: positive iff the answer is right and p above a half. */
    MARGIN
  }

  /** Trains a network as {@code trainer} says, but for its seed. */
  static Retraining of(
      Network network,
      Backend backend,
      Trainer trainer,
      Dataset training,
      Normalisation normalisation,
      Dataset queries,
      Outcome outcome) {
    return (kept, seed) -> {
      try (Model model = Model.initialise(network, seed)) {
        trainer
            .withSeed(seed)
            .train(model, backend, Subset.of(training, kept), normalisation, Trainer.Progress.NONE);
        try (Predictor predictor = new Predictor(model, backend, 256)) {
          Predictions found = Predictions.of(predictor, queries, normalisation);
          return IntStream.range(0, found.size())
              .mapToDouble(n -> outcome == Outcome.LOSS ? found.loss(n) : found.logOdds(n))
              .toArray();
        }
      }
    };
  }

  /** The mean over seeds first, first + 1, … */
  default double[] mean(long[] kept, long first, int seeds) {
    if (seeds < 1) {
      throw new IllegalArgumentException("at least one seed is needed, found " + seeds);
    }
    double[] mean = new double[0];
    for (int i = 0; i < seeds; i++) {
      double[] one = measure(kept, first + i);
      mean = i == 0 ? new double[one.length] : mean;
      for (int q = 0; q < one.length; q++) {
        mean[q] += one[q] / seeds;
      }
    }
    return mean;
  }

  /** All positions of {@code examples} but these. */
  static long[] without(int examples, int... left) {
    boolean[] gone = new boolean[examples];
    for (int position : left) {
      gone[position] = true;
    }
    return IntStream.range(0, examples).filter(j -> !gone[j]).asLongStream().toArray();
  }
}
