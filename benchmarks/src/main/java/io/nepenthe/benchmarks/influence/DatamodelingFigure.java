package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.LinearDatamodelingScore;
import io.nepenthe.evaluate.Retraining;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Philox;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The linear datamodeling score of the curvatures on an MLP: {@value #SIZE} images, {@value
 * #SUBSETS} subsets of half of them, the losses of {@value #QUERIES} test images, averaged over
 * {@value #TRAININGS} trainings of every subset. How much curvature helps, and which is best,
 * depends on λ, so several are measured; differences are paired.
 */
final class DatamodelingFigure implements Figure {
  static final List<Double> DAMPINGS = List.of(0.01, 0.1, 1.0);
  static final int SIZE = 5_000;
  static final int SUBSETS = 50;
  static final int QUERIES = 100;
  static final int TRAININGS = 4;
  private static final Extent IMAGE = Extent.image(28, 28, 1);

  @Override
  public List<String> parts() {
    return List.of("lds");
  }

  @Override
  public List<String> data() {
    return Images.names().stream().filter("mnist"::equals).toList();
  }

  @Override
  public void measure(Backend backend, String data, long seed, Sink sink) {
    Images images = Images.of(data, SIZE, seed);
    Dataset training = images.training();
    Dataset asked = Subset.range(images.test(), 0, QUERIES - 1);
    Normalisation normalisation = Normalisation.of(training);
    Network network = Architectures.mlp(IMAGE, training.classes(), 128, 64);
    Trainer recipe = new Trainer(15, 64, Optimiser.adam(1e-3), seed);
    Retraining retraining =
        Retraining.of(
            network, backend, recipe, training, normalisation, asked, Retraining.Outcome.LOSS);
    boolean[][] subsets = new boolean[SUBSETS][SIZE];
    double[][][] halves = new double[2][SUBSETS][];
    double[][] measured = new double[SUBSETS][QUERIES];
    for (int i = 0; i < SUBSETS; i++) {
      long[] kept = half(subsets[i], seed, i);
      for (int h = 0; h < 2; h++) {
        long first = 1_000_000 * seed + 1_000 * i + h * TRAININGS / 2;
        halves[h][i] = retraining.mean(kept, first, TRAININGS / 2);
      }
      for (int q = 0; q < QUERIES; q++) {
        measured[i][q] = (halves[0][i][q] + halves[1][i][q]) / 2;
      }
    }
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    values.put("agreement", agreement(halves));
    try (Model model = Model.initialise(network, seed)) {
      recipe.train(model, backend, training, normalisation, Trainer.Progress.NONE);
      try (Curvatures curvatures = new Curvatures(model, backend, training, normalisation)) {
        for (double damping : DAMPINGS) {
          Map<String, double[][]> scores = new HashMap<>();
          for (String name : Curvatures.NAMES) {
            try (InverseCurvature inverse = curvatures.inverse(name, Damping.relative(damping))) {
              scores.put(name, scores(model, backend, inverse, asked, training, normalisation));
            }
            put(
                values,
                name + "." + damping,
                LinearDatamodelingScore.of(scores.get(name), subsets, measured, seed));
          }
          for (int k = 1; k < Curvatures.NAMES.size(); k++) {
            String better = Curvatures.NAMES.get(k - 1);
            String other = Curvatures.NAMES.get(k);
            put(
                values,
                better + "-" + other + "." + damping,
                LinearDatamodelingScore.difference(
                    scores.get(better), scores.get(other), subsets, measured, seed));
          }
        }
      }
    }
    sink.add("lds", values);
  }

  private static void put(
      SequencedMap<String, Double> values, String name, LinearDatamodelingScore score) {
    values.put(name, score.value());
    values.put(name + ".low", score.low());
    values.put(name + ".high", score.high());
  }

  /** How one half of the trainings predicts the other: the noise of what is to be predicted. */
  private static double agreement(double[][][] halves) {
    double sum = 0;
    for (int q = 0; q < QUERIES; q++) {
      double[][] one = new double[2][SUBSETS];
      for (int i = 0; i < SUBSETS; i++) {
        one[0][i] = halves[0][i][q];
        one[1][i] = halves[1][i][q];
      }
      sum += LinearDatamodelingScore.spearman(one[0], one[1]);
    }
    return sum / QUERIES;
  }

  /** τ = −s: leaving out an example that lowers a loss raises it. */
  private static double[][] scores(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      Dataset asked,
      Dataset training,
      Normalisation normalisation) {
    double[][] tau = new double[QUERIES][SIZE];
    try (InfluenceScores scores =
        Influence.pairwise(
            model,
            backend,
            inverse,
            asked,
            Measurement.LOSS,
            training,
            normalisation,
            Influence.Options.defaults().withBatchSize(256),
            Progress.NONE)) {
      for (int q = 0; q < QUERIES; q++) {
        for (int j = 0; j < SIZE; j++) {
          tau[q][j] = -scores.raw().get((long) q * SIZE + j);
        }
      }
    }
    return tau;
  }

  /** A random half of the examples. */
  private static long[] half(boolean[] chosen, long seed, int run) {
    long[] positions = new long[chosen.length / 2];
    int left = positions.length;
    for (int j = 0; j < chosen.length; j++) {
      if (Philox.uniform(seed, run, j) * (chosen.length - j) < left) {
        chosen[j] = true;
        positions[positions.length - left--] = j;
      }
    }
    return positions;
  }
}
