package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;

/** The gradient of the cross-entropy summed over a data set, with running statistics. */
public final class SummedGradient {
  private SummedGradient() {}

  /**
   * Writes Σ ∇ℓ.
   *
   * @param out under the model's parameter names
   */
  public static void of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      int batchSize,
      Progress progress,
      Parameters out) {
    try (GradientAccumulator gradient = GradientAccumulator.resident(model, backend)) {
      Influence.losses(
          model, backend, data, normalisation, batchSize, progress, (first, n) -> gradient);
      out.flat().copyFrom(gradient.gradient().flat());
    }
  }
}
