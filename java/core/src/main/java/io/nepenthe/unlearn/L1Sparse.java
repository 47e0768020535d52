package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.tensor.Tensor;
import java.util.Optional;

/**
 * ℓ1-sparse unlearning: fine-tuning on D_r with the penalty γ_e·‖θ‖₁ over all parameters, biases
 * and normalisation included, γ_e = γ·(1 − e/(E − E₀)) in epoch e of E, and 0 in the last E₀ (Jia
 * et al., "Model sparsity can simplify machine unlearning", NeurIPS 2023).
 *
 * @param steps how
 * @param gamma γ
 * @param plainEpochs E₀, epochs at the end without the penalty
 * @param proximal false for the published subgradient γ·sign(θ), which makes weights small but
 *     never exactly 0; true for a soft threshold by γ_e·rate after each step, which does
 */
public record L1Sparse(Steps steps, double gamma, int plainEpochs, boolean proximal)
    implements GradientMethod {
  /** Checks the numbers. */
  public L1Sparse {
    if (!(gamma >= 0 && gamma < Double.POSITIVE_INFINITY)
        || plainEpochs < 0
        || plainEpochs > steps.epochs()) {
      throw new IllegalArgumentException(
          "gamma from 0, plainEpochs up to epochs: " + gamma + ", " + plainEpochs);
    }
  }

  /**
   * γ = 10⁻³, 10 epochs of SGD at 0.01, momentum 0.9, decay 5·10⁻⁴, batches of 256; the setting of
   * the authors' code for random samples.
   */
  public static L1Sparse published() {
    return new L1Sparse(new Steps(10, 256, Optimiser.sgd(0.01, 0.9, 5e-4)), 1e-3, 0, false);
  }

  /** γ_e. */
  double penalty(int epoch) {
    int penalised = steps.epochs() - plainEpochs;
    return epoch < penalised ? gamma * (1 - (double) epoch / penalised) : 0;
  }

  @Override
  public Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener) {
    Recorder recorder = new Recorder();
    Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
        .epochs(
            recorder, "retain", task.retain(), Objective.of(task.recipe().loss()), 1, penalty());
    recorder.figure("zeros", zeros(model.parameters().flat()));
    return recorder.trace();
  }

  private Walk.Adjustment penalty() {
    return new Walk.Adjustment() {
      @Override
      public void before(Descent descent, int epoch) {
        float gamma = (float) penalty(epoch);
        if (!proximal && gamma > 0) {
          descent.penalise(gamma);
        }
      }

      @Override
      public void after(Descent descent, int epoch) {
        float threshold = (float) (penalty(epoch) * steps.learningRate());
        if (proximal && threshold > 0) {
          descent.shrink(threshold);
        }
      }
    };
  }

  private static long zeros(Tensor weights) {
    long zeros = 0;
    for (long j = 0; j < weights.elements(); j++) {
      zeros += weights.get(j) == 0 ? 1 : 0;
    }
    return zeros;
  }
}
