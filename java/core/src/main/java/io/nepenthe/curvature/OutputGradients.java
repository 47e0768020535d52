package io.nepenthe.curvature;

import io.nepenthe.kernel.LossVectors;
import io.nepenthe.kernel.Philox;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.MeanSquaredError;
import io.nepenthe.nn.Softmax;
import io.nepenthe.nn.SquaredError;
import io.nepenthe.tensor.Tensor;

/**
 * The gradients with respect to a network's outputs that backward passes start from, row by row.
 */
final class OutputGradients {
  private final Likelihood likelihood;
  private final Weighting weighting;

  /** Of a squared distance: its second derivative in every output. */
  private final double curvature;

  /** Of a regression: the number that each label stands for; else empty. */
  private final double[] targets;

  /** One sample's values: probabilities, or a gradient. */
  private final double[] row;

  OutputGradients(Likelihood likelihood, int outputs) {
    this(likelihood, Weighting.LOSS, outputs);
  }

  /** Gradients of which a loss's are weighted. */
  OutputGradients(Likelihood likelihood, Weighting weighting, int outputs) {
    this(likelihood, weighting, 1, new double[0], outputs);
  }

  private OutputGradients(
      Likelihood likelihood, Weighting weighting, double curvature, double[] targets, int outputs) {
    this.likelihood = likelihood;
    this.weighting = weighting;
    this.curvature = curvature;
    this.targets = targets;
    this.row = new double[outputs];
  }

  /** Those of a loss that a network was trained with. */
  static OutputGradients of(Loss loss, Weighting weighting, int outputs) {
    return switch (loss) {
      case CrossEntropy _ -> new OutputGradients(Likelihood.CATEGORICAL, weighting, outputs);
      case MeanSquaredError _ ->
          new OutputGradients(
              Likelihood.GAUSSIAN, weighting, 2.0 / outputs, new double[0], outputs);
      case SquaredError regression ->
          new OutputGradients(Likelihood.GAUSSIAN, weighting, 2, regression.targets(), outputs);
    };
  }

  int outputs() {
    return row.length;
  }

  /** What a device makes of the outputs for these labels. */
  LossVectors.Form form(Labels labels) {
    boolean categorical = likelihood == Likelihood.CATEGORICAL;
    return switch (labels) {
      case NONE -> LossVectors.Form.OUTPUT;
      case TRUE -> categorical ? LossVectors.Form.CATEGORICAL : LossVectors.Form.RESIDUAL;
      case EXACT -> categorical ? LossVectors.Form.CATEGORICAL : LossVectors.Form.AXIS;
      case SAMPLED -> categorical ? LossVectors.Form.CATEGORICAL : LossVectors.Form.DRAWN;
    };
  }

  double curvature() {
    return curvature;
  }

  double[] targets() {
    return targets;
  }

  /** Whether samples count alike. */
  boolean unit() {
    return weighting == Weighting.UNIT;
  }

  /** The softmax of a row; valid until the next call. */
  double[] softmax(Tensor logits, int sample) {
    read(logits, sample);
    Softmax.inPlace(row);
    return row;
  }

  /**
   * weight · ∂(−log p(label))/∂outputs, brought to length one before it is weighted where samples
   * count alike. The label's entry is minus the sum of the others: 1 − p would lose all digits on a
   * sample that the model is sure of.
   */
  void loss(Tensor outputs, int sample, int label, double weight, Tensor gradient) {
    if (likelihood == Likelihood.GAUSSIAN) {
      residual(outputs, sample, label);
    } else {
      softmax(outputs, sample);
      double others = 0;
      for (int c = 0; c < row.length; c++) {
        others += c == label ? 0 : row[c];
      }
      row[label] = -others;
    }
    write(sample, weighting == Weighting.LOSS ? weight : weight * toUnit(), gradient);
  }

  private void residual(Tensor outputs, int sample, int label) {
    read(outputs, sample);
    if (targets.length == 0) {
      row[label] -= 1;
    } else {
      row[0] -= targets[label];
    }
    for (int c = 0; c < row.length; c++) {
      row[c] *= curvature;
    }
  }

  /** weight · ∂‖outputs‖²/∂outputs, or ∂‖outputs‖/∂outputs where samples count alike. */
  void squaredNorm(Tensor outputs, int sample, double weight, Tensor gradient) {
    read(outputs, sample);
    write(sample, weight * (weighting == Weighting.LOSS ? 2 : toUnit()), gradient);
  }

  private void read(Tensor outputs, int sample) {
    for (int c = 0; c < row.length; c++) {
      row[c] = outputs.get((long) sample * row.length + c);
    }
  }

  private void write(int sample, double factor, Tensor gradient) {
    for (int c = 0; c < row.length; c++) {
      gradient.set((long) sample * row.length + c, (float) (factor * row[c]));
    }
  }

  /** What brings the row to length one; 0 where it has none. */
  private double toUnit() {
    double squares = 0;
    for (int c = 0; c < row.length; c++) {
      squares += row[c] * row[c];
    }
    return squares > 0 ? 1 / Math.sqrt(squares) : 0;
  }

  /**
   * weight times the v-th of the vectors whose outer products sum to the Fisher information of the
   * outputs: √p_v (p − e_v), or √s e_v of a squared distance of second derivative s.
   */
  void exact(Tensor outputs, int sample, int v, double weight, Tensor gradient) {
    if (likelihood == Likelihood.CATEGORICAL) {
      loss(outputs, sample, v, weight * Math.sqrt(softmax(outputs, sample)[v]), gradient);
      return;
    }
    for (int c = 0; c < row.length; c++) {
      row[c] = c == v ? Math.sqrt(curvature) : 0;
    }
    write(sample, weight, gradient);
  }

  /**
   * The loss's gradient for a label drawn from the model, times weight. The draw depends on the
   * seed, the sample's id and the draw's number alone.
   */
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
    for (int c = 0; c < row.length; c++) {
      row[c] = Math.sqrt(curvature) * Philox.normal(seed, id, draw * row.length + c);
    }
    write(sample, weight, gradient);
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
    for (int c = 0; c < p.length; c++) {
      // Where the label has all the probability there is, the others share alike.
      double share = others > 0 ? p[c] / others : 1.0 / (p.length - 1);
      p[c] = c == label ? -1 : share;
    }
    write(sample, 1, gradient);
  }
}
