package io.nepenthe.curvature;

/** Whose labels a sample's gradient is taken for. */
public enum Labels {
  /** The data set's own: the empirical Fisher, SSD's importance. */
  TRUE,
  /**
   * One label a sample, drawn from the model's softmax: an unbiased estimate of the Fisher
   * information. The draw depends on the seed and the sample's id only, not on batches, order or
   * threads.
   */
  SAMPLED,
  /**
   * Every label, weighted by its softmax probability: the Fisher information itself, one backward
   * pass a class.
   */
  EXACT,
  /**
   * None: the loss is ‖logits‖², and the importance the mean absolute gradient, not its square
   * (label-free SSD, Foster et al. 2024). With {@link Weighting#UNIT} the loss is ‖logits‖, whose
   * gradient is of unit length: no sample counts for more because its logits are large (Schoepf,
   * Foster, Brintrup, "Potion", 2024).
   */
  NONE
}
