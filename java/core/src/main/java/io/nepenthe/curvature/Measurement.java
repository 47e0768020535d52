package io.nepenthe.curvature;

import io.nepenthe.tensor.Tensor;

/** The function f of a query whose change an influence predicts. */
public enum Measurement {
  /** The loss −log p(label). */
  LOSS,
  /**
   * The negative margin, log Σ_{c ≠ label} exp z_c − z_label: it rises as the model turns away from
   * the label, like the loss, but does not flatten where the model is sure (Park et al. 2023;
   * kronfluence and Δ-Influence measure it).
   */
  MARGIN,
  /** log p(label): the loss with the other sign. */
  LOG_LIKELIHOOD;

  void gradient(OutputGradients gradients, Tensor outputs, int sample, int label, Tensor out) {
    switch (this) {
      case LOSS -> gradients.loss(outputs, sample, label, 1, out);
      case MARGIN -> gradients.negativeMargin(outputs, sample, label, out);
      case LOG_LIKELIHOOD -> gradients.loss(outputs, sample, label, -1, out);
    }
  }
}
