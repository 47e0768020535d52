package io.nepenthe.evaluate;

import java.util.function.DoubleBinaryOperator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/** How far the answers of two models to the same samples lie apart. */
public final class Distance {
  private Distance() {}

  /**
   * Zero-retrain forgetting: 1 − the mean Jensen–Shannon divergence, in bits, between the unlearned
   * model and one of random weights on forgotten data; 1 where the model answers them like one that
   * never learnt anything, 0 at the other end (Chundawat et al., "Can bad teaching induce
   * forgetting?", AAAI 2023).
   */
  public static double zeroRetrainForgetting(Predictions unlearned, Predictions random) {
    return 1 - mean(unlearned, random, n -> jensenShannon(unlearned, random, n) / Math.log(2));
  }

  /**
   * The same as SSD's reference code computes it: ½KL(m‖p) + ½KL(m‖q), the arguments the wrong way
   * round, in natural units, over samples and classes. Only for comparison with its figures.
   */
  public static double zeroRetrainForgettingAsInSsd(Predictions unlearned, Predictions random) {
    return 1
        - mean(
                unlearned,
                random,
                n ->
                    sum(
                        unlearned,
                        random,
                        n,
                        (p, q) -> (term((p + q) / 2, p) + term((p + q) / 2, q)) / 2))
            / unlearned.classes();
  }

  /** ½KL(p‖m) + ½KL(q‖m) of one sample, m = (p + q)/2, in natural units: 0 to ln 2. */
  static double jensenShannon(Predictions one, Predictions other, int n) {
    return sum(one, other, n, (p, q) -> (term(p, (p + q) / 2) + term(q, (p + q) / 2)) / 2);
  }

  /** p log(p/q), 0 where p is. */
  private static double term(double p, double q) {
    return p > 0 ? p * (Math.log(p) - Math.log(q)) : 0;
  }

  /**
   * Mean KL(reference ‖ model) in natural units: how badly the model replaces the reference, say a
   * retrained one. From the logits, so that no probability is 0.
   */
  public static double kullbackLeibler(Predictions reference, Predictions model) {
    return mean(
        reference,
        model,
        n -> {
          double sum = 0;
          double[] p = reference.logProbabilities(n);
          double[] q = model.logProbabilities(n);
          for (int c = 0; c < p.length; c++) {
            sum += Math.exp(p[c]) * (p[c] - q[c]);
          }
          return sum;
        });
  }

  /** Activation distance: the mean Euclidean distance of the softmaxes (Chundawat et al. 2023). */
  public static double activation(Predictions one, Predictions other) {
    return mean(one, other, n -> Math.sqrt(sum(one, other, n, (p, q) -> (p - q) * (p - q))));
  }

  /** The same by Σ|Δ| (Golatkar et al., CVPR 2021; Kurmanji et al., NeurIPS 2023): 0 to 2. */
  public static double activationL1(Predictions one, Predictions other) {
    return mean(one, other, n -> sum(one, other, n, (p, q) -> Math.abs(p - q)));
  }

  /** Σ over the classes of a term of both probabilities of a sample. */
  private static double sum(Predictions one, Predictions other, int n, DoubleBinaryOperator term) {
    double sum = 0;
    for (int c = 0; c < one.classes(); c++) {
      sum += term.applyAsDouble(one.probability(n, c), other.probability(n, c));
    }
    return sum;
  }

  private static double mean(Predictions one, Predictions other, IntToDoubleFunction distance) {
    if (one.size() != other.size() || one.classes() != other.classes() || one.size() == 0) {
      throw new IllegalArgumentException(
          "answers to the same samples are needed, found "
              + one.size()
              + " × "
              + one.classes()
              + " and "
              + other.size()
              + " × "
              + other.classes());
    }
    return IntStream.range(0, one.size()).mapToDouble(distance).sum() / one.size();
  }
}
