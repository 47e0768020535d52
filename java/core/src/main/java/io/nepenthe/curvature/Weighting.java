package io.nepenthe.curvature;

/** How much each sample counts in an importance. */
public enum Weighting {
  /** By the square of its loss gradient: the definition of the Fisher diagonal. */
  LOSS,
  /**
   * All the same: the gradient of the loss with respect to the outputs is brought to unit length
   * before it is propagated. What a sample that the model has all but learnt by heart depends on
   * then shows as clearly as what one it gets wrong depends on; by the loss, one misfit among a
   * thousand fitted samples is nearly all of their importance.
   */
  UNIT
}
