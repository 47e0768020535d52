package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;

/**
 * {@link Ssd} with a given strength: I_f of D_f against I_D of D_r ∪ D_f.
 *
 * @param importance how both are computed
 * @param setting α, λ, and what is compared
 */
public record FixedSsd(FisherDiagonal.Options importance, Ssd.Options setting) implements Method {
  /**
   * α = 10, λ = 1, squared gradients of batch means, batches of 64: Foster, Schoepf, Brintrup,
   * "Fast machine unlearning without retraining through selective synaptic dampening", AAAI 2024,
   * for ResNet-18, as their code computes it.
   */
  public static FixedSsd published() {
    return new FixedSsd(
        FisherDiagonal.Options.defaults().withBatchSquared(), Ssd.Options.published());
  }

  /**
   * Label-free SSD: mean absolute gradients of ‖logits‖² over batches of 64, otherwise as {@link
   * #published()} (Foster et al., "Loss-free machine unlearning", ICLR 2024 tiny papers).
   */
  public static FixedSsd labelFree() {
    return new FixedSsd(
        FisherDiagonal.Options.defaults().withLabels(Labels.NONE).withBatchSquared(),
        Ssd.Options.published());
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    Recorder recorder = new Recorder();
    try (Importances importances =
        Importances.of(model, backend, task, importance.withSeed(seed), recorder, listener)) {
      Importances.dampen(
          recorder,
          () -> Ssd.apply(model, backend, importances.whole(), importances.forget(), setting),
          model);
    }
    return recorder.trace();
  }
}
