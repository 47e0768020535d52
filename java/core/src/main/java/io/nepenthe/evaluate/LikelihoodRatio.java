package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;

/**
 * The likelihood-ratio attack: shadow models tell how a sample's confidence is distributed where it
 * was trained on and where it was not, and the attacked model's confidence is judged by the ratio
 * (Carlini, Chien, Nasr, Song, Terzis, Tramèr: "Membership inference attacks from first
 * principles", IEEE S&amp;P 2022). The strongest attack here, and the dearest: it trains the shadow
 * models.
 *
 * <p>Confidence is φ = log(p_y / (1 − p_y)), from the logits. Shadows come in pairs that train on
 * the two halves of a random split of D_r ∪ D_f ∪ D_t, so that every sample is inside of as many as
 * it is outside of. With so few, a sample's own variance means nothing: both normal distributions
 * have a mean of the sample's own and the variance of all samples together.
 */
public final class LikelihoodRatio {
  /** So many strangers are the least of which one in a hundred may be called a member. */
  public static final int LEAST_FOR_ONE_PERCENT = 100;

  private final double[][] means;
  private final double[] deviations;
  private final int forget;
  private final int strangers;

  private LikelihoodRatio(double[][] means, double[] deviations, int forget, int strangers) {
    this.means = means;
    this.deviations = deviations;
    this.forget = forget;
    this.strangers = strangers;
  }

  /**
   * How the attack ended.
   *
   * @param areaUnderCurve how often a sample of D_f looks more like a member than one of D_t; 0.5
   *     is ideal
   * @param truePositiveRate the share of D_f called members where 1 % of D_t is; 0.01 is ideal; NaN
   *     if D_t has fewer than {@link LikelihoodRatio#LEAST_FOR_ONE_PERCENT} samples
   * @param forgetScores log ratios of D_f, in its order; above 0 more like a member
   * @param strangerScores log ratios of D_t, in its order
   */
  public record Outcome(
      double areaUnderCurve,
      double truePositiveRate,
      double[] forgetScores,
      double[] strangerScores) {
    /** Copies the arrays. */
    public Outcome {
      forgetScores = forgetScores.clone();
      strangerScores = strangerScores.clone();
    }

    /** Where the area lies as far as the drawing of D_f and D_t decides it. */
    public Interval areaInterval() {
      return Interval.areaUnderCurve(forgetScores, strangerScores);
    }

    /** A copy. */
    @Override
    public double[] forgetScores() {
      return forgetScores.clone();
    }

    /** A copy. */
    @Override
    public double[] strangerScores() {
      return strangerScores.clone();
    }
  }

  /**
   * Trains the shadow models.
   *
   * @param pairs half their number, at least 1
   * @param recipe as the attacked model was trained
   * @param test D_t, which that model never saw
   * @param seed of splits, weights and orders
   * @param progress told after every model
   * @return the attack, for any number of models of this task
   */
  public static LikelihoodRatio train(
      Network network,
      Backend backend,
      Trainer recipe,
      Dataset retain,
      Dataset forget,
      Dataset test,
      Normalisation normalisation,
      int pairs,
      long seed,
      Progress progress) {
    if (pairs < 1) {
      throw new IllegalArgumentException("at least one pair of shadow models, found " + pairs);
    }
    Dataset pool = Datasets.concatenate("pool", List.of(retain, forget, test));
    int kept = Math.toIntExact(retain.size());
    int size = Math.toIntExact(pool.size());
    Dataset judged = Subset.range(pool, kept, size - 1);
    double[][][] phi = new double[2][size - kept][pairs];
    // Far from the attacked model's own seed, and from those that the next seed gives.
    SplittableRandom draws = new SplittableRandom(seed);
    for (int pair = 0; pair < pairs; pair++) {
      boolean[] first = half(size, draws.split());
      for (int side = 0; side < 2; side++) {
        boolean wanted = side == 0;
        long[] inside = new long[size];
        int count = 0;
        for (int i = 0; i < size; i++) {
          if (first[i] == wanted) {
            inside[count++] = i;
          }
        }
        long own = draws.nextLong();
        Dataset half = Subset.of(pool, Arrays.copyOf(inside, count));
        try (Model shadow = Model.initialise(network, own)) {
          recipe.withSeed(own).train(shadow, backend, half, normalisation, Trainer.Progress.NONE);
          Predictions answers = predictions(shadow, backend, judged, normalisation);
          for (int n = 0; n < answers.size(); n++) {
            phi[first[kept + n] == wanted ? 1 : 0][n][pair] = answers.logOdds(n);
          }
        }
        progress.report(2L * pair + side + 1, 2L * pairs);
      }
    }
    return fit(phi, Math.toIntExact(forget.size()), Math.toIntExact(test.size()));
  }

  private static boolean[] half(int size, SplittableRandom random) {
    boolean[] first = new boolean[size];
    for (int i = 0; i < size; i++) {
      first[i] = random.nextBoolean();
    }
    return first;
  }

  private static Predictions predictions(
      Model model, Backend backend, Dataset data, Normalisation normalisation) {
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      return Predictions.of(predictor, data, normalisation);
    }
  }

  /**
   * From shadow confidences.
   *
   * @param phi outside (0) or inside (1) × samples, D_f's before D_t's × shadows
   */
  static LikelihoodRatio fit(double[][][] phi, int forget, int strangers) {
    double[][] means = new double[2][forget + strangers];
    double[] deviations = new double[2];
    for (int side = 0; side < 2; side++) {
      int side0 = side;
      Arrays.setAll(means[side], n -> DoubleStream.of(phi[side0][n]).average().orElseThrow());
      // Of several shadows the spread around each sample's own mean; of one the spread of all.
      int shadows = phi[side][0].length;
      double all = DoubleStream.of(means[side]).average().orElseThrow();
      double squares = 0;
      for (int n = 0; n < means[side].length; n++) {
        double centre = shadows > 1 ? means[side][n] : all;
        for (double value : phi[side][n]) {
          squares += (value - centre) * (value - centre);
        }
      }
      double free = (double) means[side].length * Math.max(1, shadows - 1);
      deviations[side] = Math.max(Math.sqrt(squares / free), 1e-6);
    }
    return new LikelihoodRatio(means, deviations, forget, strangers);
  }

  /**
   * Attacks a model.
   *
   * @throws IllegalArgumentException if these are not predictions for the D_f and D_t that the
   *     shadows were trained for
   */
  public Outcome attack(Predictions forgetPredictions, Predictions strangerPredictions) {
    if (forgetPredictions.size() != forget || strangerPredictions.size() != strangers) {
      throw new IllegalArgumentException(
          "the attack was prepared for "
              + forget
              + " and "
              + strangers
              + " samples, found "
              + forgetPredictions.size()
              + " and "
              + strangerPredictions.size());
    }
    double[] members = new double[forget];
    Arrays.setAll(members, n -> ratio(n, forgetPredictions.logOdds(n)));
    double[] others = new double[strangers];
    Arrays.setAll(others, n -> ratio(forget + n, strangerPredictions.logOdds(n)));
    return new Outcome(Ranks.area(members, others), atOnePercent(members, others), members, others);
  }

  private double ratio(int sample, double phi) {
    return logNormal(phi, means[1][sample], deviations[1])
        - logNormal(phi, means[0][sample], deviations[0]);
  }

  private static double logNormal(double x, double mean, double deviation) {
    double z = (x - mean) / deviation;
    return -Math.log(deviation) - z * z / 2;
  }

  private static double atOnePercent(double[] members, double[] others) {
    if (others.length < LEAST_FOR_ONE_PERCENT) {
      return Double.NaN;
    }
    double[] sorted = DoubleStream.of(others).sorted().toArray();
    double threshold = sorted[sorted.length - 1 - sorted.length / 100];
    return (double) DoubleStream.of(members).filter(s -> s > threshold).count() / members.length;
  }
}
