package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/**
 * BaDLoss (Alex et al., "Backdoor detection through loss dynamics", 2024): an example is suspect if
 * its loss falls along another path during training than the losses of a few trusted clean
 * examples, which are trained along. No attack is assumed, so several at once are found.
 *
 * <p>The score is the mean distance of an example's trajectory, the losses after each epoch, to
 * those of its nearest trusted neighbours.
 */
public final class LossTrajectories {
  private LossTrajectories() {}

  /**
   * How trajectories are compared.
   *
   * @param neighbours how many trusted trajectories are near
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
   */
  public static Detection of(
      Network network,
      Backend backend,
      Dataset training,
      Dataset trusted,
      Normalisation normalisation,
      Trainer trainer,
      Options options) {
    Dataset both = Datasets.concatenate("training and trusted", List.of(training, trusted));
    double[][] trajectories = new double[Math.toIntExact(both.size())][trainer.epochs()];
    try (Model model = Model.initialise(network, trainer.seed());
        Predictor predictor = new Predictor(model, backend, 256)) {
      trainer.train(
          model,
          backend,
          both,
          normalisation,
          epoch -> losses(predictor, both, normalisation, epoch.epoch(), trajectories));
    }
    int n = Math.toIntExact(training.size());
    return of(
        Arrays.copyOf(trajectories, n),
        Arrays.copyOfRange(trajectories, n, trajectories.length),
        options);
  }

  private static void losses(
      Predictor predictor,
      Dataset data,
      Normalisation normalisation,
      int epoch,
      double[][] trajectories) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor logits = predictor.logits(arena, data, normalisation);
      int[] labels = new int[trajectories.length];
      for (int i = 0; i < labels.length; i++) {
        labels[i] = data.label(i);
      }
      double[] losses = new double[labels.length];
      new CrossEntropy().evaluate(logits, labels, losses, logits);
      for (int i = 0; i < losses.length; i++) {
        trajectories[i][epoch] = losses[i];
      }
    }
  }

  /** Compares trajectories that were recorded, one row an example. */
  static Detection of(double[][] examples, double[][] trusted, Options options) {
    if (trusted.length == 0) {
      throw new IllegalArgumentException("trusted examples are needed");
    }
    int near = Math.min(options.neighbours, trusted.length);
    double[] scores = new double[examples.length];
    for (int i = 0; i < examples.length; i++) {
      double[] distances = new double[trusted.length];
      for (int k = 0; k < trusted.length; k++) {
        for (int e = 0; e < examples[i].length; e++) {
          distances[k] += Math.pow(examples[i][e] - trusted[k][e], 2);
        }
        distances[k] = Math.sqrt(distances[k]);
      }
      Arrays.sort(distances);
      scores[i] = Arrays.stream(distances, 0, near).average().orElseThrow();
    }
    return Detection.ofHighest(scores, Math.round(options.share * scores.length));
  }
}
