package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * Any gradient method, kept to the weights that are most salient to D_f: the others keep their bits
 * (Fan et al., "SalUn", ICLR 2024). {@link #published()} is SalUn itself, which masks {@link
 * RandomLabel}.
 *
 * @param method what changes the weights
 * @param maskRatio ρ, the share of the weights that may change, from 0 to 1
 * @see Saliency
 */
public record Masked(GradientMethod method, double maskRatio) implements Method {
  /** Checks the ratio. */
  public Masked {
    if (!(maskRatio >= 0 && maskRatio <= 1)) {
      throw new IllegalArgumentException("maskRatio must be from 0 to 1, found " + maskRatio);
    }
  }

  /**
   * SalUn: ρ = 0.5; random labels other than the true one, forget set first, 10 epochs of SGD at
   * 0.013, momentum 0.9, decay 5·10⁻⁴, batches of 256: the authors' setting for CIFAR-10 and a
   * random tenth.
   */
  public static Masked published() {
    Steps steps = new Steps(10, 256, Optimiser.sgd(0.013, 0.9, 5e-4));
    return new Masked(new RandomLabel(steps, RandomLabel.Order.FORGET_FIRST, true), 0.5);
  }

  @Override
  public boolean needsHeldOut() {
    return method.needsHeldOut();
  }

  @Override
  public void require(Network network, Forgetting task) {
    method.require(network, task);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    Recorder recorder = new Recorder();
    try (Arena arena = Arena.ofConfined()) {
      Mask.Part mask = recorder.phase("mask", () -> mask(arena, model, backend, task, listener));
      recorder.figure("maskRatio", maskRatio);
      recorder.figure("selected", mask.selected());
      recorder.include(method.forget(model, backend, task, Optional.of(mask), seed, listener));
    }
    return recorder.trace();
  }

  private Mask.Part mask(
      Arena arena, Model model, Backend backend, Forgetting task, Listener listener) {
    try (Saliency saliency =
        Saliency.of(
            model,
            backend,
            task.forget(),
            task.normalisation(),
            task.recipe().loss(),
            (done, total) -> listener.report("mask", done, total))) {
      return saliency.masks(arena, maskRatio).mask(0).part(0);
    }
  }
}
