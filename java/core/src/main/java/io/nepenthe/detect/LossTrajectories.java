package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Trainer;
import java.util.Arrays;
import java.util.List;

/**
 * BaDLoss, backdoor detection via loss dynamics (Alex, Siddiqui, Sanyal, Krueger, "Protecting
 * against simultaneous data poisoning attacks", ICLR 2025): an example is suspect if its loss falls
 * along another path during training than those of a few trusted clean examples, which are trained
 * along. No attack is assumed, so several at once are found: one whose trigger is learnt at once
 * and one that is hardly learnt both leave the path, on either side. With ℓ_e(i) the loss of
 * example i after epoch e,
 *
 * <pre>
 *   d(i, k)  = √Σ_e (ℓ_e(i) − ℓ_e(k))²
 *   score(i) = mean of d(i, k) over the K nearest trusted examples k
 * </pre>
 */
public final class LossTrajectories {
  private LossTrajectories() {}

  /**
   * How trajectories are compared.
   *
   * @param neighbours K; all trusted ones if they are fewer
   * @param share of the examples that is flagged
   */
  public record Options(int neighbours, double share) {
    /** Checks the numbers. */
    public Options {
      if (neighbours < 1 || !(share >= 0 && share <= 1)) {
        throw new IllegalArgumentException(
            "neighbours must be positive and the share from 0 to 1, found "
                + neighbours
                + ", "
                + share);
      }
    }

    /** 20 neighbours; the most suspect tenth. */
    public static Options defaults() {
      return new Options(20, 0.1);
    }
  }

  /**
   * Trains a network on all and the trusted examples and compares what it sees.
   *
   * @param trusted clean examples that are not among the others
   * @param trainer how; its epochs are the trajectories' lengths
   * @param progress told of every epoch
   * @throws IllegalArgumentException if none are trusted
   */
  public static Detection of(
      Network network,
      Backend backend,
      Dataset training,
      Dataset trusted,
      Normalisation normalisation,
      Trainer trainer,
      Options options,
      Trainer.Progress progress) {
    requireSome(trusted.size());
    Dataset both = Datasets.concatenate("training and trusted", List.of(training, trusted));
    try (Model model = Model.initialise(network, trainer.seed());
        LossRecorder recorder =
            new LossRecorder(model, backend, both, normalisation, trainer.epochs())) {
      trainer.train(
          model,
          backend,
          both,
          normalisation,
          epoch -> {
            recorder.finished(epoch);
            progress.finished(epoch);
          });
      return nearest(
          training.size(),
          trusted.size(),
          (example, one) -> recorder.distance(example, training.size() + one),
          options);
    }
  }

  /** How far an example's trajectory is from a trusted one's. */
  interface Distance {
    double between(long example, long trusted);
  }

  /** Compares trajectories that were recorded. */
  static Detection nearest(long examples, long trusted, Distance distance, Options options) {
    requireSome(trusted);
    int near = (int) Math.min(options.neighbours, trusted);
    double[] scores = new double[Math.toIntExact(examples)];
    double[] distances = new double[Math.toIntExact(trusted)];
    for (int i = 0; i < scores.length; i++) {
      int example = i;
      Arrays.setAll(distances, one -> distance.between(example, one));
      Arrays.sort(distances);
      scores[i] = Arrays.stream(distances, 0, near).average().orElseThrow();
    }
    return Detection.ofHighest(scores, Math.round(options.share * scores.length));
  }

  private static void requireSome(long trusted) {
    if (trusted == 0) {
      throw new IllegalArgumentException("trusted examples are needed");
    }
  }
}
