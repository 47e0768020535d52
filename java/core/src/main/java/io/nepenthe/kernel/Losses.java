package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * Losses of a batch's samples, with their gradients, in float64 and rounded once:
 *
 * <pre>
 *   cross-entropy   ℓ = log Σ exp(z_c − max z) − (z_label − max z)   ∂ℓ/∂z = softmax(z) − onehot(label)
 *   squared error   ℓ = Σ_c (z_c − t_c)² / C                         ∂ℓ/∂z = 2 (z − t) / C
 * </pre>
 *
 * <p>with t the one-hot label, or, for one output, a number that the label stands for. On a CUDA
 * device the gradient is within two units in the last place of these.
 */
public final class Losses {
  private Losses() {}

  /**
   * Cross-entropy of the softmax.
   *
   * @param output samples × classes, on the host
   * @param labels the class of each sample, in the first entries
   * @param losses receives each sample's loss in its first entries
   * @param gradient of the output's shape; may be {@code output}
   * @return the sum of the losses
   * @throws IllegalArgumentException if a shape is wrong, an array is too short, or a label is not
   *     a class
   */
  public static double crossEntropy(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    check(output, labels, losses, gradient);
    long classes = output.shape().size(1);
    for (int n = 0; n < output.shape().size(0); n++) {
      long row = n * classes;
      double max = maximum(output, row, classes);
      double sum = exponentials(output, row, classes, max);
      double target = output.get(row + labels[n]) - max;
      losses[n] = StrictMath.log(sum) - target;
      for (long c = 0; c < classes; c++) {
        double p = StrictMath.exp(output.get(row + c) - max) / sum;
        gradient.set(row + c, (float) (c == labels[n] ? p - 1 : p));
      }
    }
    return sum(losses, output.shape().size(0));
  }

  /** Σ exp(z_c − max) of a row. */
  public static double exponentials(Tensor output, long row, long classes, double max) {
    double sum = 0;
    for (long c = 0; c < classes; c++) {
      sum += StrictMath.exp(output.get(row + c) - max);
    }
    return sum;
  }

  /** The largest value of a row, of at least −∞. */
  public static double maximum(Tensor output, long row, long classes) {
    float max = Float.NEGATIVE_INFINITY;
    for (long c = 0; c < classes; c++) {
      max = Math.max(max, output.get(row + c));
    }
    return max;
  }

  /**
   * Squared error, averaged over the outputs.
   *
   * @param targets the number of each label, for one output; or none: the one-hot label
   * @return the sum of the losses
   * @throws IllegalArgumentException as for {@link #crossEntropy}
   */
  public static double squaredError(
      Tensor output, int[] labels, double[] targets, double[] losses, Tensor gradient) {
    checkSquared(output, labels, targets, losses, gradient);
    long classes = output.shape().size(1);
    for (int n = 0; n < output.shape().size(0); n++) {
      losses[n] = 0;
      for (long c = 0; c < classes; c++) {
        long at = n * classes + c;
        double target = targets.length > 0 ? targets[labels[n]] : c == labels[n] ? 1 : 0;
        double error = output.get(at) - target;
        losses[n] += error * error / classes;
        gradient.set(at, (float) (2 * error / classes));
      }
    }
    return sum(losses, output.shape().size(0));
  }

  /**
   * Whether the largest output, the first of equal ones, is the label's.
   *
   * @param hits receives it in its first entries
   */
  static void hits(Tensor output, int[] labels, boolean[] hits) {
    long classes = output.shape().size(1);
    for (int n = 0; n < output.shape().size(0); n++) {
      hits[n] = largest(output, n * classes, classes) == labels[n];
    }
  }

  /** The place of a row's largest value, the first of equal ones. */
  public static long largest(Tensor output, long row, long classes) {
    long best = 0;
    for (long c = 1; c < classes; c++) {
      best = output.get(row + c) > output.get(row + best) ? c : best;
    }
    return best;
  }

  static double sum(double[] losses, long samples) {
    double total = 0;
    for (int n = 0; n < samples; n++) {
      total += losses[n];
    }
    return total;
  }

  static void check(Tensor output, int[] labels, double[] losses, Tensor gradient) {
    check(output, labels, gradient);
    checkRoom(output, losses);
  }

  static void check(Tensor output, int[] labels, Tensor gradient) {
    checkShapes(output, labels, gradient);
    long classes = output.shape().size(1);
    checkLabels(labels, output.shape().size(0), classes, " classes");
  }

  static void checkWeighted(Tensor output, int[] labels, float[] weights, Tensor gradient) {
    check(output, labels, gradient);
    long batch = output.shape().size(0);
    if (weights.length < batch) {
      throw new IllegalArgumentException(
          "a batch of " + batch + " with " + weights.length + " weights");
    }
  }

  static void checkSquared(
      Tensor output, int[] labels, double[] targets, double[] losses, Tensor gradient) {
    checkSquared(output, labels, targets, gradient);
    checkRoom(output, losses);
  }

  static void checkSquared(Tensor output, int[] labels, double[] targets, Tensor gradient) {
    if (targets.length == 0) {
      check(output, labels, gradient);
      return;
    }
    checkShapes(output, labels, gradient);
    if (output.shape().size(1) != 1) {
      throw new IllegalArgumentException(
          "output and gradient must be batch × 1, found " + output.shape());
    }
    checkLabels(labels, output.shape().size(0), targets.length, " targets");
  }

  static void checkVectors(Tensor output, Tensor gradient) {
    checkShapes(output, gradient);
    Checks.disjoint("gradient", gradient, "output", output);
  }

  static void checkVectors(Tensor output, LossVectors vectors, Tensor gradient) {
    checkVectors(output, gradient);
    if (vectors.form().readsRows()) {
      Checks.shape("rows", vectors.rows(), output.shape());
      Checks.disjoint("gradient", gradient, "rows", vectors.rows());
    }
  }

  private static void checkShapes(Tensor output, Tensor gradient) {
    if (output.shape().rank() != 2 || !gradient.shape().equals(output.shape())) {
      throw new IllegalArgumentException(
          "output and gradient must be batch × classes, found "
              + output.shape()
              + " and "
              + gradient.shape());
    }
  }

  private static void checkShapes(Tensor output, int[] labels, Tensor gradient) {
    checkShapes(output, gradient);
    long batch = output.shape().size(0);
    if (labels.length < batch) {
      throw new IllegalArgumentException(
          "a batch of " + batch + " with " + labels.length + " labels");
    }
  }

  private static void checkRoom(Tensor output, double[] losses) {
    long batch = output.shape().size(0);
    if (losses.length < batch) {
      throw new IllegalArgumentException(
          "a batch of " + batch + " with room for " + losses.length + " losses");
    }
  }

  static void checkLabels(int[] labels, long batch, long count, String of) {
    for (int n = 0; n < batch; n++) {
      if (labels[n] < 0 || labels[n] >= count) {
        throw new IllegalArgumentException(
            "label " + labels[n] + " of sample " + n + " is not one of " + count + of);
      }
    }
  }
}
