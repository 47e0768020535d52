package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
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
    double[][] before = probabilities(trained, backend, training, normalisation, options);
    Model model = trained.copy();
    try (Arena arena = Arena.ofShared()) {
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

  private static OutputGradients softmax(Model model) {
    return new OutputGradients(
        Likelihood.CATEGORICAL, Math.toIntExact(model.network().output().elements()));
  }

  private static double[][] probabilities(
      Model model, Backend backend, Dataset data, Normalisation normalisation, Options options) {
    OutputGradients softmax = softmax(model);
    double[][] found = new double[Math.toIntExact(data.size())][];
    try (SamplePass pass = new SamplePass(model, backend, data, normalisation, options.batchSize)) {
      pass.run(
          Progress.NONE,
          (execution, first, outputs, labels, ids) -> {
            for (int n = 0; n < outputs.shape().size(0); n++) {
              found[(int) first + n] = softmax.softmax(outputs, n).clone();
            }
          });
    }
    return found;
  }

  /** The gradient of the mean divergence from the outputs before. */
  private static void divergence(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      double[][] before,
      Options options,
      Parameters out) {
    OutputGradients softmax = softmax(model);
    try (GradientAccumulator sum = GradientAccumulator.resident(model, backend);
        SamplePass pass = new SamplePass(model, backend, data, normalisation, options.batchSize)) {
      pass.run(
          Progress.NONE,
          (execution, first, outputs, labels, ids) -> {
            Tensor gradient = execution.outputGradient();
            for (int n = 0; n < outputs.shape().size(0); n++) {
              double[] p = softmax.softmax(outputs, n);
              for (int c = 0; c < p.length; c++) {
                double change = p[c] - before[(int) first + n][c];
                gradient.set((long) n * p.length + c, (float) (change / data.size()));
              }
            }
            execution.backward(gradient, sum);
          });
      out.flat().copyFrom(sum.gradient().flat());
    }
  }
}
