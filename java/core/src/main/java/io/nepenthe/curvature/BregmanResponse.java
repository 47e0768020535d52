package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The proximal Bregman response function, the question that damped influence answers (Bae, Ng, Lo,
 * Ghassemi, Grosse, "If influence functions are the answer, then what is the question?", NeurIPS
 * 2022):
 *
 * <pre>
 *   r(ε) = argmin_θ  (1/N) Σ D(f(θ, xₙ), f(θ_s, xₙ))  +  (λ/2) ‖θ − θ_s‖²  +  ε Σ ℓ(z, θ)
 *   dr/dε at 0  =  −(G + λI)⁻¹ Σ ∇ℓ(z, θ_s)
 * </pre>
 *
 * <p>with D the Bregman divergence of the cross-entropy, whose gradient in the outputs is p(θ) −
 * p(θ_s), and G the Gauss–Newton matrix at θ_s. Unlike leaving an example out it needs no optimum
 * and no retraining, so it judges the approximation of the inverse alone. For networks of a few
 * thousand parameters.
 */
public final class BregmanResponse {
  private BregmanResponse() {}

  /**
   * How the minimum is found: by steps of Newton's method with the Gauss–Newton matrix, each solved
   * by conjugate gradients.
   *
   * @param damping λ, above 0
   * @param steps Newton's
   * @param iterations of conjugate gradients, at most
   * @param batchSize samples at once; no result depends on it beyond rounding
   */
  public record Options(double damping, int steps, int iterations, int batchSize) {
    /** Checks the numbers. */
    public Options {
      if (!(damping > 0) || steps < 1 || iterations < 1 || batchSize < 1) {
        throw new IllegalArgumentException(
            "damping, steps, iterations and batchSize must be positive, found "
                + damping
                + ", "
                + steps
                + ", "
                + iterations
                + ", "
                + batchSize);
      }
    }

    /** λ, twelve steps of up to 200 iterations, 64 samples at once. */
    public static Options of(double damping) {
      return new Options(damping, 12, 200, 64);
    }
  }

  /**
   * Finds r(ε).
   *
   * @param trained θ_s; it is not changed
   * @param training the xₙ
   * @param examples z
   * @return a copy with other parameters, for the caller to close
   */
  public static Model of(
      Model trained,
      Backend backend,
      Dataset training,
      Normalisation normalisation,
      Dataset examples,
      double epsilon,
      Options options) {
    Model model = trained.copy();
    try (Arena arena = Arena.ofShared()) {
      Tensor before = outputs(arena, trained, backend, training, normalisation, options);
      Parameters step = model.parameters().zerosLike(arena);
      Parameters pull = model.parameters().zerosLike(arena);
      GaussNewton curvature =
          new GaussNewton(model, backend, training, normalisation, options.batchSize);
      for (int k = 0; k < options.steps; k++) {
        divergence(model, backend, training, normalisation, before, options, step);
        SummedGradient.of(
            model, backend, examples, normalisation, options.batchSize, Progress.NONE, pull);
        Tensor theta = model.parameters().flat();
        for (long i = 0; i < step.count(); i++) {
          double back = options.damping * (theta.get(i) - trained.parameters().flat().get(i));
          step.flat().set(i, (float) (step.flat().get(i) + back + epsilon * pull.flat().get(i)));
        }
        curvature.solve(step, options.damping, options.iterations, 1e-6);
        for (long i = 0; i < step.count(); i++) {
          theta.set(i, theta.get(i) - step.flat().get(i));
        }
      }
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** The outputs for all of the data, samples × classes, where they are computed. */
  private static Tensor outputs(
      Arena arena,
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Options options) {
    long classes = model.network().output().elements();
    Tensor all = backend.zeros(arena, Shape.of(data.size(), classes));
    try (SamplePass pass = new SamplePass(model, backend, data, normalisation, options.batchSize)) {
      pass.passes(
          Progress.NONE,
          (execution, first, n, labels, ids) ->
              execution.copyOutput(all.slice(first * classes, Shape.of(n, classes))));
    }
    return all;
  }

  /** The gradient of the mean divergence from the outputs before. */
  private static void divergence(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Tensor before,
      Options options,
      Parameters out) {
    int classes = Math.toIntExact(before.shape().size(1));
    OutputVectors vectors = OutputVectors.ofDistances(classes, data.size());
    try (GradientAccumulator sum = GradientAccumulator.resident(model, backend);
        SamplePass pass = new SamplePass(model, backend, data, normalisation, options.batchSize)) {
      pass.passes(
          Progress.NONE,
          (execution, first, n, labels, ids) -> {
            Tensor rows = before.slice(first * classes, Shape.of(n, classes));
            execution.backward(vectors.of(rows), sum);
          });
      out.flat().copyFrom(sum.gradient().flat());
    }
  }
}
