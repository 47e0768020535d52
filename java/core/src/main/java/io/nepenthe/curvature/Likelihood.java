package io.nepenthe.curvature;

/** The distribution whose parameters the network's outputs are, and so the loss −log p. */
public enum Likelihood {
  /** The outputs are logits; the loss is the cross-entropy of the softmax. */
  CATEGORICAL,
  /** The outputs are means of unit variance; the loss is ½‖f − onehot(label)‖². */
  GAUSSIAN
}
