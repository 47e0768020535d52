package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.BregmanResponse;
import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.LeaveOneOut;
import io.nepenthe.evaluate.LinearDatamodelingScore;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Retraining;
import io.nepenthe.evaluate.SubsetRemoval;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * Influences of {@value #SIZE} images on a small MLP against what they predict: the proximal
 * Bregman response, which needs no retraining; training without one example; training without the
 * examples that support an answer most. λ is {@value #DAMPING} for all curvatures, as in the
 * response.
 */
final class CounterfactualFigure implements Figure {
  static final int[] GRID = {10, 40, 160};
  static final List<String> SUPPORTS = List.of("ekfac", "identity", "random");
  static final int SIZE = 500;
  private static final double DAMPING = 0.01;
  private static final int QUERIES = 20;
  private static final int LEFT_OUT = 20;
  private static final int SEEDS = 5;
  private static final int REMOVAL_QUERIES = 10;
  private static final int REMOVAL_SEEDS = 3;

  /** What a seed's parts share. */
  private record Setting(
      Backend backend,
      Network network,
      Trainer recipe,
      Dataset training,
      Dataset asked,
      Normalisation normalisation) {
    Retraining retraining(Dataset queries, Retraining.Outcome outcome) {
      return Retraining.of(network, backend, recipe, training, normalisation, queries, outcome);
    }
  }

  @Override
  public List<String> parts() {
    return List.of("response", "leftOut", "removal");
  }

  @Override
  public List<String> data() {
    return Images.names().stream().filter("mnist"::equals).toList();
  }

  @Override
  public void measure(Backend backend, String data, long seed, Sink sink) {
    Images images = Images.of(data, SIZE, seed);
    Setting setting =
        new Setting(
            backend,
            Architectures.mlp(Extent.image(28, 28, 1), images.training().classes(), 8),
            new Trainer(30, 50, Optimiser.adam(3e-3), seed),
            images.training(),
            Subset.range(images.test(), 0, QUERIES - 1),
            Normalisation.of(images.training()));
    Map<String, double[][]> losses = new HashMap<>();
    Map<String, double[][]> margins = new HashMap<>();
    try (Model model = Model.initialise(setting.network, seed)) {
      setting.recipe.train(
          model, backend, setting.training, setting.normalisation, Trainer.Progress.NONE);
      try (Curvatures curvatures =
          new Curvatures(model, backend, setting.training, setting.normalisation)) {
        for (String name : Curvatures.NAMES) {
          try (InverseCurvature inverse = curvatures.inverse(name, Damping.absolute(DAMPING))) {
            losses.put(name, scores(model, setting, inverse, Measurement.LOSS));
            margins.put(name, scores(model, setting, inverse, Measurement.MARGIN));
          }
        }
      }
      if (sink.wants("response")) {
        sink.add("response", correlations(losses, responses(model, setting)));
      }
    }
    if (sink.wants("leftOut")) {
      // Only the changes are wanted; what scores they are compared with does not matter to them.
      double[][] changes =
          LeaveOneOut.of(
                  losses.get("identity"),
                  positions(),
                  setting.retraining(setting.asked, Retraining.Outcome.LOSS),
                  1_000 * seed,
                  SEEDS)
              .changes();
      sink.add("leftOut", correlations(losses, changes));
    }
    if (sink.wants("removal")) {
      sink.add("removal", removals(setting, margins, seed));
    }
  }

  private static int[] positions() {
    return IntStream.range(0, LEFT_OUT).map(i -> i * (SIZE / LEFT_OUT)).toArray();
  }

  private static double[][] scores(
      Model model, Setting setting, InverseCurvature inverse, Measurement measurement) {
    double[][] scores = new double[QUERIES][SIZE];
    try (InfluenceScores found =
        Influence.pairwise(
            model,
            setting.backend,
            inverse,
            setting.asked,
            measurement,
            setting.training,
            setting.normalisation,
            Influence.Options.defaults(),
            Progress.NONE)) {
      for (int q = 0; q < QUERIES; q++) {
        for (int j = 0; j < SIZE; j++) {
          scores[q][j] = found.raw().get((long) q * SIZE + j);
        }
      }
    }
    return scores;
  }

  /** The rise of every query's loss when one example's weight is taken away. */
  private static double[][] responses(Model model, Setting setting) {
    double[] before = losses(model, setting);
    double[][] changes = new double[QUERIES][LEFT_OUT];
    BregmanResponse.Options options = new BregmanResponse.Options(DAMPING, 3, 100, 64);
    int[] positions = positions();
    for (int k = 0; k < LEFT_OUT; k++) {
      Dataset example = Subset.range(setting.training, positions[k], positions[k]);
      try (Model without =
          BregmanResponse.of(
              model,
              setting.backend,
              setting.training,
              setting.normalisation,
              example,
              -1.0 / SIZE,
              options)) {
        double[] after = losses(without, setting);
        for (int q = 0; q < QUERIES; q++) {
          changes[q][k] = after[q] - before[q];
        }
      }
    }
    return changes;
  }

  private static double[] losses(Model model, Setting setting) {
    try (Predictor predictor = new Predictor(model, setting.backend, QUERIES)) {
      Predictions found = Predictions.of(predictor, setting.asked, setting.normalisation);
      return IntStream.range(0, QUERIES).mapToDouble(found::loss).toArray();
    }
  }

  /** Pearson's over the examples, in the mean over queries. */
  private static SequencedMap<String, Double> correlations(
      Map<String, double[][]> scores, double[][] changes) {
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    for (String name : Curvatures.NAMES) {
      double sum = 0;
      for (int q = 0; q < QUERIES; q++) {
        double[] own = scores.get(name)[q];
        double[] some = IntStream.of(positions()).mapToDouble(j -> own[j]).toArray();
        sum += LinearDatamodelingScore.pearson(some, changes[q]);
      }
      values.put(name, sum / QUERIES);
    }
    return values;
  }

  private static SequencedMap<String, Double> removals(
      Setting setting, Map<String, double[][]> margins, long seed) {
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    Dataset asked = Subset.range(setting.asked, 0, REMOVAL_QUERIES - 1);
    Retraining retraining = setting.retraining(asked, Retraining.Outcome.MARGIN);
    for (String name : SUPPORTS) {
      double[][] support =
          name.equals("random")
              ? SubsetRemoval.random(REMOVAL_QUERIES, SIZE, seed)
              : Arrays.copyOf(margins.get(name), REMOVAL_QUERIES);
      SubsetRemoval found =
          SubsetRemoval.of(support, GRID, retraining, 1_000 * seed, REMOVAL_SEEDS);
      for (int k = 0; k < GRID.length; k++) {
        values.put(name + ".flipped." + GRID[k], found.flipped(k));
        values.put(name + ".fall." + GRID[k], found.fall(k));
      }
    }
    return values;
  }
}
