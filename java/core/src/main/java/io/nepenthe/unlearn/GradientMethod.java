package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import java.util.Optional;

/**
 * A method that changes the weights by gradient steps only, and so can be kept to some of them:
 * {@link Masked} chooses these by saliency, {@link Prune} by magnitude.
 */
public interface GradientMethod extends Method {
  /**
   * Makes the model forget, in place.
   *
   * @param mask of all parameters by flat index; those not selected keep their bits, whatever
   *     momentum and weight decay say
   */
  Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener);

  @Override
  default Trace forget(
      Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    return forget(model, backend, task, Optional.empty(), seed, listener);
  }
}
