package io.nepenthe.benchmarks;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.detect.Detection;
import io.nepenthe.evaluate.LinearDatamodelingScore;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Philox;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The figures of docs/influence.md: {@code InfluenceFigures mislabel|lds DATA TEST [seeds
 * [epochs]]} or {@code cost}, DATA and TEST as the command line names data.
 */
public final class InfluenceFigures {
  private static final Extent IMAGE = Extent.image(28, 28, 1);

  private final Dataset training;
  private final Dataset test;
  private final int epochs;
  private final Backend backend = Device.cpu().open();

  private InfluenceFigures(Dataset training, Dataset test, int epochs) {
    this.training = training;
    this.test = test;
    this.epochs = epochs;
  }

  /** Prints one line a run. */
  public static void main(String[] arguments) {
    if (arguments[0].equals("cost")) {
      InfluenceCost.print();
      return;
    }
    InfluenceFigures figures =
        new InfluenceFigures(
            DataSource.open(arguments[1], 1),
            DataSource.open(arguments[2], 1),
            arguments.length > 4 ? Integer.parseInt(arguments[4]) : 15);
    int seeds = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 1;
    switch (arguments[0]) {
      case "mislabel" -> run(seeds, figures::mislabel);
      case "lds" -> run(seeds, figures::lds);
      default -> throw new IllegalArgumentException("no figure is named " + arguments[0]);
    }
  }

  private interface Figure {
    void of(long seed);
  }

  private static void run(int seeds, Figure figure) {
    for (long seed = 1; seed <= seeds; seed++) {
      figure.of(seed);
    }
  }

  private static void say(String format, Object... values) {
    System.out.println(String.format(Locale.ROOT, format, values));
  }

  private static <T> T timed(Map<String, Double> seconds, String name, Supplier<T> work) {
    long start = System.nanoTime();
    T value = work.get();
    seconds.put(name, (System.nanoTime() - start) * 1e-9);
    return value;
  }

  private Model train(Network network, Dataset data, Normalisation normalisation, long seed) {
    Model model = Model.initialise(network, seed);
    new Trainer(epochs, 64, Optimiser.adam(1e-3), seed)
        .train(model, backend, data, normalisation, Trainer.Progress.NONE);
    return model;
  }

  private EkFac ekfac(
      Model model, Dataset data, Normalisation normalisation, FactorOptions options) {
    try (KroneckerFactors factors =
        KroneckerFactors.of(model, backend, data, normalisation, options, Progress.NONE)) {
      return EkFac.of(factors, model, backend, data, normalisation, Progress.NONE);
    }
  }

  private static boolean[] truth(Dataset data, long[] ids) {
    boolean[] truth = new boolean[Math.toIntExact(data.size())];
    for (int i = 0; i < truth.length; i++) {
      truth[i] = Arrays.binarySearch(ids, data.id(i)) >= 0;
    }
    return truth;
  }

  /** A tenth of the labels wrong: how much of it the highest self-influences hold. */
  private void mislabel(long seed) {
    Manipulated noisy = LabelNoise.of(0.1).apply(training, 0, seed);
    Dataset data = noisy.dataset();
    Normalisation n = Normalisation.of(data);
    boolean[] truth = truth(data, noisy.manipulatedIds());
    Map<String, Double> seconds = new LinkedHashMap<>();
    try (Model model = train(Architectures.lenet(IMAGE, 10), data, n, seed)) {
      EkFac ekfac =
          timed(seconds, "factors", () -> ekfac(model, data, n, FactorOptions.defaults()));
      try (InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
          InfluenceScores scores =
              timed(
                  seconds,
                  "self",
                  () ->
                      Influence.self(
                          model,
                          backend,
                          inverse,
                          data,
                          n,
                          Influence.Options.defaults(),
                          Progress.NONE))) {
        double[] values = new double[truth.length];
        for (int i = 0; i < values.length; i++) {
          values[i] = scores.raw().get(i);
        }
        Detection found = new Detection(values, new boolean[values.length]);
        say(
            "seed %d examples %d AUC %.4f found within 10 %%: %.4f, within 20 %%: %.4f %s",
            seed,
            values.length,
            found.auc(truth),
            found.recallAt(0.1, truth),
            found.recallAt(0.2, truth),
            seconds);
      } finally {
        ekfac.close();
      }
    }
  }

  /** LDS of the curvatures on an MLP: 50 subsets of half the data, 100 test images. */
  private void lds(long seed) {
    int runs = 50;
    int queries = 100;
    int examples = Math.toIntExact(training.size());
    Dataset asked = Subset.range(test, 0, queries - 1);
    Normalisation n = Normalisation.of(training);
    Network network = Architectures.mlp(IMAGE, 10, 128, 64);
    boolean[][] subsets = new boolean[runs][examples];
    double[][] measured = new double[runs][];
    for (int i = 0; i < runs; i++) {
      long[] positions = half(subsets[i], seed, i);
      try (Model model = train(network, Subset.of(training, positions), n, 100 * seed + i)) {
        measured[i] = losses(model, asked, n);
      }
    }
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(256);
    try (Model model = train(network, training, n, seed)) {
      EkFac ekfac = ekfac(model, training, n, options);
      FisherDiagonal diagonal =
          FisherDiagonal.of(
              model,
              backend,
              training,
              n,
              FisherDiagonal.Options.defaults().withLabels(Labels.EXACT),
              Progress.NONE);
      Map<String, InverseCurvature> curvatures = new LinkedHashMap<>();
      curvatures.put("ekfac", InverseCurvature.ekfac(ekfac, Damping.defaults()));
      curvatures.put("kfac", InverseCurvature.kfac(ekfac, Damping.defaults()));
      curvatures.put(
          "diagonal", InverseCurvature.diagonal(model, diagonal.values(), Damping.defaults()));
      curvatures.put("identity", InverseCurvature.identity(model));
      curvatures.forEach(
          (name, inverse) -> {
            try (inverse;
                InfluenceScores scores =
                    Influence.pairwise(
                        model,
                        backend,
                        inverse,
                        asked,
                        Measurement.LOSS,
                        training,
                        n,
                        Influence.Options.defaults(),
                        Progress.NONE)) {
              double[][] tau = new double[queries][examples];
              for (int q = 0; q < queries; q++) {
                for (int j = 0; j < examples; j++) {
                  tau[q][j] = -scores.raw().get((long) q * examples + j);
                }
              }
              LinearDatamodelingScore lds =
                  LinearDatamodelingScore.of(tau, subsets, measured, seed);
              say(
                  "seed %d LDS %s %.4f [%.4f, %.4f]",
                  seed, name, lds.value(), lds.low(), lds.high());
            }
          });
      diagonal.close();
      ekfac.close();
    }
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

  private double[] losses(Model model, Dataset asked, Normalisation n) {
    try (Predictor predictor = new Predictor(model, backend, 256);
        Arena arena = Arena.ofConfined()) {
      Tensor logits = predictor.logits(arena, asked, n);
      int[] labels = new int[Math.toIntExact(asked.size())];
      for (int i = 0; i < labels.length; i++) {
        labels[i] = asked.label(i);
      }
      double[] losses = new double[labels.length];
      new CrossEntropy().evaluate(logits, labels, losses, Tensor.zeros(arena, logits.shape()));
      return losses;
    }
  }
}
