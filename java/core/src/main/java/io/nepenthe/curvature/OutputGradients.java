package io.nepenthe.curvature;

import io.nepenthe.kernel.Philox;
import io.nepenthe.tensor.Tensor;

/**
 * The gradients with respect to a network's outputs that backward passes start from, row by row.
 */
final class OutputGradients {
  private final Likelihood likelihood;
  private final double[] probabilities;

  OutputGradients(Likelihood likelihood, int outputs) {
    this.likelihood = likelihood;
    this.probabilities = new double[outputs];
  }

  int outputs() {
    return probabilities.length;
  }

  /** The softmax of a row; valid until the next call. */
  double[] softmax(Tensor logits, int sample) {
    long row = (long) sample * probabilities.length;
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < probabilities.length; c++) {
      max = Math.max(max, logits.get(row + c));
    }
    double sum = 0;
    for (int c = 0; c < probabilities.length; c++) {
      probabilities[c] = StrictMath.exp(logits.get(row + c) - max);
      sum += probabilities[c];
    }
    for (int c = 0; c < probabilities.length; c++) {
      probabilities[c] /= sum;
    }
    return probabilities;
  }

  /**
   * weight · ∂(−log p(label))/∂outputs. The label's entry is minus the sum of the others: 1 − p
   * would lose all digits on a sample that the model is sure of.
   */
  void loss(Tensor outputs, int sample, int label, double weight, Tensor gradient) {
    long row = (long) sample * probabilities.length;
    if (likelihood == Likelihood.GAUSSIAN) {
      for (int c = 0; c < probabilities.length; c++) {
        double target = c == label ? 1 : 0;
        gradient.set(row + c, (float) (weight * (outputs.get(row + c) - target)));
      }
      return;
    }
    double[] p = softmax(outputs, sample);
    double others = 0;
    for (int c = 0; c < p.length; c++) {
      others += c == label ? 0 : p[c];
    }
    for (int c = 0; c < p.length; c++) {
      gradient.set(row + c, (float) (weight * (c == label ? -others : p[c])));
    }
  }

  /**
   * The v-th of the vectors whose outer products sum to the Fisher information of the outputs: √p_v
   * (p − e_v) or e_v.
   */
  void exact(Tensor outputs, int sample, int v, Tensor gradient) {
    if (likelihood == Likelihood.CATEGORICAL) {
      loss(outputs, sample, v, Math.sqrt(softmax(outputs, sample)[v]), gradient);
      return;
    }
    for (int c = 0; c < probabilities.length; c++) {
      gradient.set((long) sample * probabilities.length + c, c == v ? 1 : 0);
    }
  }

  /** The loss's gradient for a label drawn from the model, times weight. */
  void sampled(
      Tensor outputs, int sample, long seed, long id, long draw, double weight, Tensor gradient) {
    if (likelihood == Likelihood.CATEGORICAL) {
      double left = Philox.uniform(seed, id, draw);
      double[] p = softmax(outputs, sample);
      int label = 0;
      while (label < p.length - 1 && left >= p[label]) {
        left -= p[label++];
      }
      loss(outputs, sample, label, weight, gradient);
      return;
    }
    for (int c = 0; c < probabilities.length; c++) {
      double noise = Philox.normal(seed, id, draw * probabilities.length + c);
      gradient.set((long) sample * probabilities.length + c, (float) (weight * noise));
    }
  }

  /**
   * The gradient of −margin, the margin being z_label − log Σ_{c ≠ label} exp z_c: the log-odds of
   * the label (Park et al., "TRAK", 2023, section 3.3).
   */
  void negativeMargin(Tensor outputs, int sample, int label, Tensor gradient) {
    double[] p = softmax(outputs, sample);
    double others = 0;
    for (int c = 0; c < p.length; c++) {
      others += c == label ? 0 : p[c];
    }
    long row = (long) sample * probabilities.length;
    for (int c = 0; c < p.length; c++) {
      // Where the label has all the probability there is, the others share alike.
      double share = others > 0 ? p[c] / others : 1.0 / (p.length - 1);
      gradient.set(row + c, (float) (c == label ? -1 : share));
    }
  }
}
