package io.nepenthe.evaluate;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Can it be told from a model's predictions that a sample was trained on? Five conventions that the
 * literature all calls "MIA", with different attackers and different directions: never compare one
 * with another. All numbers are fractions of one.
 *
 * <p>Where an attacker trains on a part of D_r, the part is drawn by the seed (reference code takes
 * the first samples), and no more than {@code most} samples of a side are used.
 *
 * <p>D_t is {@link Splits#keptTest} where an attacker learns it beside D_r: with the test samples
 * of a class that is forgotten altogether it would learn to tell classes, not members, and find
 * everything forgotten. Where D_f itself is told from test samples, they are {@link
 * Splits#likeForgotten}, for the same reason.
 *
 * @param most samples of each side that an attacker trains on
 * @param seed of every draw
 */
public record MembershipInference(int most, long seed) {
  /** Of each side so many samples are the least for {@link #lossAttack}. */
  public static final int LEAST_FOR_LOSS = 10;

  /** Of each side, and of one class, so many are the least for {@link #thresholdAttack}. */
  public static final int LEAST_FOR_THRESHOLD = 2;

  /** Of each side so many are the least for {@link #trainingPrivacy}. */
  public static final int LEAST_FOR_PRIVACY = 2;

  /** Checks the number. */
  public MembershipInference {
    if (most < 2) {
      throw new IllegalArgumentException("most must be 2 or more, found " + most);
    }
  }

  /** At most 2,000 samples of each side. */
  public static MembershipInference defaults(long seed) {
    return new MembershipInference(2_000, seed);
  }

  /**
   * MIA-efficacy: a support vector machine (C = 3, Gaussian kernel, γ = 1/dimension, unscaled
   * features) learns D_r against D_t; the share of D_f that it judges <em>not</em> trained on. More
   * is better forgotten; the aim is what retraining gives (Jia et al., "Model sparsity can simplify
   * machine unlearning", NeurIPS 2023; Fan et al., "SalUn", ICLR 2024).
   *
   * @return NaN if one of the three sets is empty
   */
  public double efficacy(Splits splits, Feature feature) {
    Predictions test = splits.keptTest();
    int side = smaller(splits.retain(), test);
    if (side == 0) {
      return Double.NaN;
    }
    Predicate<double[]> member =
        Classifiers.supportVectors(
            drawn(splits.retain(), feature, side, 1), drawn(test, feature, side, 2));
    return 1 - share(feature.of(splits.forget()), member);
  }

  /**
   * Training privacy: the same attacker learns one half of equal parts of D_r and D_t, and is
   * judged on the other: the mean of its accuracies on members and on non-members. 0.5 is ideal
   * (the same authors).
   *
   * @return NaN if there are not two samples on each side
   */
  public double trainingPrivacy(Splits splits, Feature feature) {
    Predictions test = splits.keptTest();
    int side = smaller(splits.retain(), test) / 2 * 2;
    if (side < LEAST_FOR_PRIVACY) {
      return Double.NaN;
    }
    double[][] members = drawn(splits.retain(), feature, side, 1);
    double[][] others = drawn(test, feature, side, 2);
    int half = side / 2;
    Predicate<double[]> member =
        Classifiers.supportVectors(Arrays.copyOf(members, half), Arrays.copyOf(others, half));
    double right = share(Arrays.copyOfRange(members, half, side), member);
    double wrong = share(Arrays.copyOfRange(others, half, side), member);
    return (right + 1 - wrong) / 2;
  }

  /**
   * Entropy attack: balanced logistic regression on the entropy learns D_r against D_t; the share
   * of D_f that it judges trained on. Less is better (Chundawat et al., AAAI 2023; Foster et al.,
   * "SSD", AAAI 2024; Golatkar et al. with a support vector machine).
   *
   * @return NaN if one of the three sets is empty
   */
  public double entropyAttack(Splits splits) {
    Predictions test = splits.keptTest();
    if (smaller(splits.retain(), test) == 0) {
      return Double.NaN;
    }
    double[][] members = Feature.ENTROPY.of(splits.retain());
    double[][] others = Feature.ENTROPY.of(test);
    return share(Feature.ENTROPY.of(splits.forget()), Classifiers.logistic(members, others));
  }

  /**
   * Loss attack: logistic regression on the loss, cut at 100, tells D_f from as many test samples
   * of D_f's classes, learnt on nine tenths and judged on one, by five stratified draws: mean
   * accuracy. 0.5 is ideal (Kurmanji et al., "Towards unbounded machine unlearning", NeurIPS 2023).
   *
   * @return NaN if there are not ten samples on each side
   */
  public double lossAttack(Splits splits) {
    Predictions others = splits.likeForgotten();
    int side = smaller(splits.forget(), others);
    if (side < LEAST_FOR_LOSS) {
      return Double.NaN;
    }
    double[][] members = losses(splits.forget(), side, 3);
    double[][] strangers = losses(others, side, 4);
    int judged = Math.max(1, side / 10);
    double sum = 0;
    for (int round = 0; round < 5; round++) {
      shuffle(members, round);
      shuffle(strangers, 100 + round);
      Predicate<double[]> member =
          Classifiers.logistic(
              Arrays.copyOfRange(members, judged, side),
              Arrays.copyOfRange(strangers, judged, side));
      double right = share(Arrays.copyOf(members, judged), member);
      double wrong = share(Arrays.copyOf(strangers, judged), member);
      sum += (right + 1 - wrong) / 2;
    }
    return sum / 5;
  }

  /**
   * Threshold attack: for each class the threshold on a score (confidence, or minus an entropy)
   * that best tells D_f from test samples of D_f's classes on one half, judged on the other: mean
   * balanced accuracy over 20 different halvings. 0.5 is ideal (Song and Mittal, USENIX Security
   * 2021; Goel et al., "Towards adversarial evaluations for inexact machine unlearning", 2022).
   *
   * @param feature one of the three scalar ones but correctness
   * @return NaN if no class has two samples on each side
   */
  public double thresholdAttack(Splits splits, Feature feature) {
    if (feature == Feature.PROBABILITIES || feature == Feature.CORRECTNESS) {
      throw new IllegalArgumentException(feature + " is no score to put a threshold on");
    }
    double sign = feature == Feature.CONFIDENCE ? 1 : -1;
    Predictions others = splits.likeForgotten();
    double sum = 0;
    int judged = 0;
    for (int round = 0; round < 20; round++) {
      for (int c = 0; c < others.classes(); c++) {
        double[] members = scores(splits.forget(), feature, sign, c, 2L * round);
        double[] strangers = scores(others, feature, sign, c, 2L * round + 1);
        if (Math.min(members.length, strangers.length) >= LEAST_FOR_THRESHOLD) {
          double threshold = threshold(firstHalf(members), firstHalf(strangers));
          int weight = members.length;
          sum += weight * balanced(secondHalf(members), secondHalf(strangers), threshold);
          judged += weight;
        }
      }
    }
    return judged == 0 ? Double.NaN : sum / judged;
  }

  /** The score from which on "member" is best said; sorts once. */
  static double threshold(double[] members, double[] others) {
    double[] sortedMembers = DoubleStream.of(members).sorted().toArray();
    double[] sortedOthers = DoubleStream.of(others).sorted().toArray();
    double best = Double.NEGATIVE_INFINITY;
    double most = -1;
    int m = 0;
    int o = 0;
    // Candidates are the scores themselves: everything from one on is called a member.
    double[] candidates =
        DoubleStream.concat(DoubleStream.of(members), DoubleStream.of(others)).sorted().toArray();
    for (double candidate : candidates) {
      while (m < sortedMembers.length && sortedMembers[m] < candidate) {
        m++;
      }
      while (o < sortedOthers.length && sortedOthers[o] < candidate) {
        o++;
      }
      double right =
          (double) (sortedMembers.length - m) / sortedMembers.length
              + (double) o / sortedOthers.length;
      if (right > most) {
        most = right;
        best = candidate;
      }
    }
    return best;
  }

  private static double balanced(double[] members, double[] others, double threshold) {
    double right = (double) DoubleStream.of(members).filter(s -> s >= threshold).count();
    double wrong = (double) DoubleStream.of(others).filter(s -> s >= threshold).count();
    return (right / members.length + 1 - wrong / others.length) / 2;
  }

  private static double[] firstHalf(double... values) {
    return Arrays.copyOf(values, values.length / 2);
  }

  private static double[] secondHalf(double... values) {
    return Arrays.copyOfRange(values, values.length / 2, values.length);
  }

  private double[] scores(
      Predictions predictions, Feature feature, double sign, int label, long stream) {
    double[][] rows = feature.of(predictions.where(n -> predictions.label(n) == label));
    shuffle(rows, 1000 + stream);
    return Arrays.stream(rows).mapToDouble(row -> sign * row[0]).toArray();
  }

  private int smaller(Predictions one, Predictions other) {
    return Math.min(most, Math.min(one.size(), other.size()));
  }

  private double[][] drawn(Predictions predictions, Feature feature, int count, long stream) {
    return feature.of(predictions.at(positions(predictions.size(), count, stream)));
  }

  private double[][] losses(Predictions predictions, int count, long stream) {
    int[] positions = positions(predictions.size(), count, stream);
    return Arrays.stream(positions)
        .mapToObj(n -> new double[] {Math.min(100, predictions.loss(n))})
        .toArray(double[][]::new);
  }

  /** So many positions, drawn at random, in random order. */
  private int[] positions(int size, int count, long stream) {
    int[] all = IntStream.range(0, size).toArray();
    SplittableRandom random = new SplittableRandom(seed + 0x9e3779b97f4a7c15L * (stream + 1));
    for (int i = 0; i < count; i++) {
      int j = i + random.nextInt(size - i);
      int swap = all[i];
      all[i] = all[j];
      all[j] = swap;
    }
    return Arrays.copyOf(all, count);
  }

  private void shuffle(double[][] rows, long stream) {
    int[] order = positions(rows.length, rows.length, stream);
    double[][] copy = rows.clone();
    for (int i = 0; i < rows.length; i++) {
      rows[i] = copy[order[i]];
    }
  }

  private static double share(double[][] rows, Predicate<double[]> condition) {
    return (double) Arrays.stream(rows).filter(condition).count() / rows.length;
  }
}
