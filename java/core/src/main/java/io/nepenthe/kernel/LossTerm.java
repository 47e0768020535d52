package io.nepenthe.kernel;

/**
 * What becomes of a batch's losses ℓ_n: their gradients are multiplied by {@code scale}, and {@code
 * share}·Σ ℓ_n is added to {@code sum}.
 *
 * @param scale of the gradients, which are rounded before and after: 1 / batch for the mean loss,
 *     negative to climb
 * @param share of the losses
 * @param sum in the memory of the backend that computes the losses
 */
public record LossTerm(float scale, double share, LossSum sum) {
  /** The same share of the losses times {@code factor}, with gradients as they are. */
  public LossTerm unscaled(double factor) {
    return new LossTerm(1, share * factor, sum);
  }
}
