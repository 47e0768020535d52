package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * The outputs of a model for a data set, in its order: one pass, which serves every metric. On the
 * Java heap, 8 bytes a sample and class.
 */
public final class Predictions {
  private final int classes;
  private final int[] labels;
  private final long[] ids;
  private final float[] logits;
  private final float[] probabilities;

  private Predictions(int classes, int[] labels, long[] ids, float[] logits) {
    this.classes = classes;
    this.labels = labels;
    this.ids = ids;
    this.logits = logits;
    this.probabilities = new float[logits.length];
    for (int n = 0; n < labels.length; n++) {
      softmax(n);
    }
  }

  /**
   * Asks the model. An empty data set has no predictions.
   *
   * @throws IllegalArgumentException if the data set does not fit the model, or an output is not a
   *     finite number: a broken model would else pass for one that has forgotten
   */
  public static Predictions of(Predictor predictor, Dataset data, Normalisation normalisation) {
    int n = Math.toIntExact(data.size());
    int[] labels = new int[n];
    long[] ids = new long[n];
    for (int i = 0; i < n; i++) {
      labels[i] = data.label(i);
      ids[i] = data.id(i);
    }
    if (n == 0) {
      return new Predictions(data.classes(), labels, ids, new float[0]);
    }
    try (Arena arena = Arena.ofConfined()) {
      Tensor logits = predictor.logits(arena, data, normalisation);
      int classes = (int) logits.shape().size(1);
      if (classes < data.classes()) {
        throw new IllegalArgumentException(
            classes + " outputs for the " + data.classes() + " classes of " + data.name());
      }
      return finite(new Predictions(classes, labels, ids, logits.toArray()), data.name() + ": ");
    }
  }

  /**
   * Given outputs.
   *
   * @param classes columns
   * @param labels one a sample
   * @param logits samples × classes, before the softmax
   * @throws IllegalArgumentException if the sizes do not match, a label is not a class, or an
   *     output is not a finite number
   */
  public static Predictions of(int classes, int[] labels, float... logits) {
    if (classes < 1 || logits.length != (long) labels.length * classes) {
      throw new IllegalArgumentException(
          logits.length + " outputs for " + labels.length + " samples and " + classes + " classes");
    }
    for (int label : labels) {
      if (label < 0 || label >= classes) {
        throw new IllegalArgumentException("label " + label + " is not one of " + classes);
      }
    }
    long[] ids = IntStream.range(0, labels.length).asLongStream().toArray();
    return finite(new Predictions(classes, labels.clone(), ids, logits.clone()), "");
  }

  /** Of outputs that are no numbers every metric would be a number that means nothing. */
  private static Predictions finite(Predictions predictions, String where) {
    for (int i = 0; i < predictions.logits.length; i++) {
      if (!Float.isFinite(predictions.logits[i])) {
        throw new IllegalArgumentException(
            where
                + "the model's outputs must be finite numbers, found "
                + predictions.logits[i]
                + " for the sample with id "
                + predictions.ids[i / predictions.classes]);
      }
    }
    return predictions;
  }

  private void softmax(int n) {
    double max = largest(n, -1);
    double sum = exponentials(n, max, -1);
    for (int c = 0; c < classes; c++) {
      probabilities[n * classes + c] = (float) (StrictMath.exp(logit(n, c) - max) / sum);
    }
  }

  /** The largest output of all classes but one; of all for −1. */
  private double largest(int n, int but) {
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < classes; c++) {
      max = c == but ? max : Math.max(max, logit(n, c));
    }
    return max;
  }

  /** Σ exp(z_c − max) over the same classes. */
  private double exponentials(int n, double max, int but) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      sum += c == but ? 0 : StrictMath.exp(logit(n, c) - max);
    }
    return sum;
  }

  /** The number of samples. */
  public int size() {
    return labels.length;
  }

  /** The number of outputs. */
  public int classes() {
    return classes;
  }

  /** A sample's label. */
  public int label(int n) {
    return labels[n];
  }

  /** A sample's id in its data set. */
  public long id(int n) {
    return ids[n];
  }

  /** An output before the softmax. */
  public float logit(int n, int c) {
    return logits[n * classes + c];
  }

  /** An output after the softmax. */
  public float probability(int n, int c) {
    return probabilities[n * classes + c];
  }

  /** The probability of the sample's own label. */
  public double confidence(int n) {
    return probability(n, labels[n]);
  }

  /** The cross-entropy of the sample's own label, from the logits, in natural units. */
  public double loss(int n) {
    double max = largest(n, -1);
    return StrictMath.log(exponentials(n, max, -1)) - (logit(n, labels[n]) - max);
  }

  /** The logarithms of a sample's probabilities, from the logits, so that none is −∞. */
  double[] logProbabilities(int n) {
    double max = largest(n, -1);
    double log = StrictMath.log(exponentials(n, max, -1));
    double[] row = new double[classes];
    Arrays.setAll(row, c -> logit(n, c) - max - log);
    return row;
  }

  /**
   * log p_y/(1 − p_y) = z_y − log Σ_{j≠y} exp z_j, the log odds of the sample's own label: how sure
   * of it the model is, with no cancellation where p_y is near 1.
   */
  public double logOdds(int n) {
    double max = largest(n, labels[n]);
    return logit(n, labels[n]) - max - StrictMath.log(exponentials(n, max, labels[n]));
  }

  /** −Σ p log p, with 0 log 0 = 0. */
  public double entropy(int n) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      double p = probability(n, c);
      sum -= p > 0 ? p * StrictMath.log(p) : 0;
    }
    return sum;
  }

  /**
   * Modified entropy, −(1 − p_y) log p_y − Σ_{j≠y} p_j log(1 − p_j), which unlike the entropy is
   * small only where the model is sure of the right label (Song and Mittal, "Systematic evaluation
   * of privacy risks of machine learning models", USENIX Security 2021). Probabilities are kept
   * 10⁻³⁰ away from 0 under the logarithms.
   */
  public double modifiedEntropy(int n) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      double p = probability(n, c);
      double others = others(n, c);
      sum -=
          c == labels[n]
              ? others * StrictMath.log(Math.max(p, TINY))
              : p * StrictMath.log(Math.max(others, TINY));
    }
    return sum;
  }

  private static final double TINY = 1e-30;

  /** 1 − p_c as the sum of the other probabilities, which keeps its digits where p_c is near 1. */
  private double others(int n, int c) {
    double sum = 0;
    for (int other = 0; other < classes; other++) {
      sum += other == c ? 0 : probability(n, other);
    }
    return sum;
  }

  /** The class with the largest output; the first of equals. */
  public int answer(int n) {
    int best = 0;
    for (int c = 1; c < classes; c++) {
      best = logit(n, c) > logit(n, best) ? c : best;
    }
    return best;
  }

  /** The share of samples answered as labelled: correct over all, NaN of none. */
  public double accuracy() {
    return share(n -> answer(n) == labels[n]);
  }

  /** The share of samples that meet a condition; NaN of none. */
  public double share(IntPredicate condition) {
    long count = IntStream.range(0, size()).filter(condition).count();
    return (double) count / size();
  }

  /** The share of each class answered as labelled; NaN for a class without samples. */
  public double[] accuracyByClass() {
    long[][] counts = confusion();
    double[] accuracy = new double[counts.length];
    for (int c = 0; c < accuracy.length; c++) {
      long all = 0;
      for (long count : counts[c]) {
        all += count;
      }
      accuracy[c] = (double) counts[c][c] / all;
    }
    return accuracy;
  }

  /** How often each label (row) got each answer (column). */
  public long[][] confusion() {
    long[][] counts = new long[classes][classes];
    for (int n = 0; n < size(); n++) {
      counts[labels[n]][answer(n)]++;
    }
    return counts;
  }

  /** Some of the samples, in their order. */
  public Predictions where(IntPredicate condition) {
    return at(IntStream.range(0, size()).filter(condition).toArray());
  }

  /** The samples at some positions, in that order. */
  public Predictions at(int... positions) {
    float[] rows = new float[positions.length * classes];
    int[] chosen = new int[positions.length];
    long[] names = new long[positions.length];
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(logits, positions[i] * classes, rows, i * classes, classes);
      chosen[i] = labels[positions[i]];
      names[i] = ids[positions[i]];
    }
    return new Predictions(classes, chosen, names, rows);
  }
}
