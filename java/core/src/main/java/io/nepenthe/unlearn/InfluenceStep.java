package io.nepenthe.unlearn;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.GaussNewton;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.SummedGradient;
import io.nepenthe.curvature.WoodFisher;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * Influence unlearning: one Newton step from the minimum of the loss on D towards that on D_r (Koh,
 * Liang 2017; Izzo et al., AISTATS 2021; as "IU" in Jia et al., NeurIPS 2023),
 *
 * <pre>
 *   v = ∇L_D − ∇L_r = (1/(m+r)) Σ_f ∇ℓ − (m/((m+r)·r)) Σ_r ∇ℓ       m = |D_f|, r = |D_r|
 *   θ ← θ + rate · H⁻¹v
 * </pre>
 *
 * <p>With {@code firstOrder}, v is its first term alone, which presumes that the model was trained
 * to the minimum.
 *
 * @param curvature how H⁻¹ is taken
 * @param rate of the step; 1 is Newton's
 * @param damping for EK-FAC, KFAC and the diagonal a share of each block's mean eigenvalue; for
 *     conjugate gradients and WoodFisher λ itself
 * @param firstOrder whether the retained samples' gradient is left out
 * @param samples of D that conjugate gradients and WoodFisher look at, drawn at random
 * @param iterations of conjugate gradients
 * @param batchSize samples at once; only of the cost
 */
public record InfluenceStep(
    Curvature curvature,
    double rate,
    double damping,
    boolean firstOrder,
    int samples,
    int iterations,
    int batchSize)
    implements Method {
  /** How H⁻¹ is taken. */
  public enum Curvature {
    /** Eigenvalue-corrected Kronecker factors. */
    EKFAC,
    /** Kronecker factors. */
    KFAC,
    /** The diagonal of the Fisher information. */
    DIAGONAL,
    /** Conjugate gradients on the damped Gauss–Newton matrix. */
    CONJUGATE_GRADIENTS,
    /** The empirical Fisher information of some samples, by Woodbury's identity. */
    WOODFISHER
  }

  /** Checks the numbers. */
  public InfluenceStep {
    if (!(rate > 0) || !(damping > 0) || samples < 1 || iterations < 1 || batchSize < 1) {
      throw new IllegalArgumentException(
          "rate, damping, samples, iterations and batchSize must be positive, found "
              + rate
              + ", "
              + damping
              + ", "
              + samples
              + ", "
              + iterations
              + ", "
              + batchSize);
    }
  }

  /** A whole Newton step in the curvature of EK-FAC, damped by a tenth of its mean. */
  public static InfluenceStep ekfac() {
    return new InfluenceStep(Curvature.EKFAC, 1, 0.1, false, 1000, 20, 64);
  }

  /**
   * 1000 samples and λ = 1, as the code of Jia et al. (NeurIPS 2023) intends; its own recursion
   * inverts something else.
   */
  public static InfluenceStep woodfisher() {
    return new InfluenceStep(Curvature.WOODFISHER, 1, 1, false, 1000, 20, 64);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    Recorder recorder = new Recorder();
    try (Arena arena = Arena.ofShared()) {
      Parameters step = step(arena, model, backend, task, seed, listener, recorder);
      for (long i = 0; i < step.count(); i++) {
        double moved = model.parameters().flat().get(i) + rate * step.flat().get(i);
        model.parameters().flat().set(i, (float) moved);
      }
    }
    return recorder.trace();
  }

  /** H⁻¹v. */
  Parameters step(
      Arena arena,
      Model model,
      Backend backend,
      Forgetting task,
      long seed,
      Listener listener,
      Recorder recorder) {
    task.requireClasses("for the curvature of the cross-entropy");
    Parameters v =
        recorder.phase("gradient", () -> gradient(arena, model, backend, task, listener));
    Dataset all = Datasets.concatenate("training", List.of(task.retain(), task.forget()));
    recorder.phase("solve", () -> solve(model, backend, task, all, seed, listener, v, recorder));
    double square = 0;
    for (long i = 0; i < v.count(); i++) {
      square += (double) v.flat().get(i) * v.flat().get(i);
    }
    recorder.figure("stepLength", Math.sqrt(square));
    return v;
  }

  private Parameters gradient(
      Arena arena, Model model, Backend backend, Forgetting task, Listener listener) {
    double m = task.forget().size();
    double r = task.retain().size();
    Parameters v = model.parameters().zerosLike(arena);
    Parameters other = model.parameters().zerosLike(arena);
    Progress progress = (done, total) -> listener.report("gradient", done, total);
    SummedGradient.of(model, backend, task.forget(), task.normalisation(), batchSize, progress, v);
    if (!firstOrder) {
      SummedGradient.of(
          model, backend, task.retain(), task.normalisation(), batchSize, progress, other);
    }
    for (long i = 0; i < v.count(); i++) {
      double value = v.flat().get(i) / (m + r) - m / ((m + r) * r) * other.flat().get(i);
      v.flat().set(i, (float) value);
    }
    return v;
  }

  private void solve(
      Model model,
      Backend backend,
      Forgetting task,
      Dataset all,
      long seed,
      Listener listener,
      Parameters v,
      Recorder recorder) {
    Progress progress = (done, total) -> listener.report("solve", done, total);
    switch (curvature) {
      case DIAGONAL -> {
        FisherDiagonal.Options options =
            FisherDiagonal.Options.defaults()
                .withLabels(Labels.SAMPLED)
                .withBatchSize(batchSize)
                .withSeed(seed);
        try (FisherDiagonal diagonal =
                FisherDiagonal.of(model, backend, all, task.normalisation(), options, progress);
            InverseCurvature inverse =
                InverseCurvature.diagonal(model, diagonal.values(), Damping.relative(damping))) {
          inverse.apply(backend, v);
        }
      }
      case EKFAC, KFAC -> {
        FactorOptions options = FactorOptions.defaults().withBatchSize(batchSize).withSeed(seed);
        try (KroneckerFactors factors =
                KroneckerFactors.of(model, backend, all, task.normalisation(), options, progress);
            EkFac ekfac = EkFac.of(factors, model, backend, all, task.normalisation(), progress);
            InverseCurvature inverse =
                curvature == Curvature.EKFAC
                    ? InverseCurvature.ekfac(ekfac, Damping.relative(damping))
                    : InverseCurvature.kfac(ekfac, Damping.relative(damping))) {
          inverse.apply(backend, v);
        }
      }
      case CONJUGATE_GRADIENTS -> {
        double left =
            new GaussNewton(model, backend, some(all, seed), task.normalisation(), batchSize)
                .solve(v, damping, iterations, 1e-3);
        recorder.figure("residual", left);
      }
      case WOODFISHER ->
          WoodFisher.solve(
              model, backend, some(all, seed), task.normalisation(), damping, batchSize, v);
    }
  }

  private Dataset some(Dataset all, long seed) {
    Dataset shuffled = Datasets.shuffled(all, seed);
    return Subset.range(shuffled, 0, Math.min(samples, shuffled.size()) - 1);
  }
}
