package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;

/**
 * A way to make a trained model forget. An implementation is a record of its settings; its {@code
 * published()} are those of the paper or of the authors' code. {@link Methods} knows all by name.
 */
@FunctionalInterface
public interface Method {
  /**
   * Makes the model forget, in place. The same model, task, settings and seed give the same bits,
   * whatever the number of threads.
   *
   * @param model trained on the task's retain and forget sets together
   * @param seed of every draw: order of samples, random labels, noise, new weights
   * @param listener hears how far it has come; throwing ends it, with the model half changed
   * @return what was done, and how long each phase took
   * @throws IllegalArgumentException if the task does not fit the model, or lacks what the method
   *     needs
   */
  Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener);

  /** Whether the task must have held-out data. */
  default boolean needsHeldOut() {
    return false;
  }

  /**
   * Checks that a network has the layers, and a task the held-out data, that the method needs: what
   * can be known before there is a model. {@link #forget} checks it as well.
   *
   * @throws IllegalArgumentException if not, saying what is missing
   */
  default void require(Network network, Forgetting task) {}
}
