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
 * The Gauss–Newton matrix of the cross-entropy, G = (1/N) Σ Jᵀ(diag p − ppᵀ)J, by its products with
 * vectors alone: it equals the Fisher information and has no blocks. (Schraudolph 2002; Martens
 * 2010.)
 */
public final class GaussNewton {
  private final Model model;
  private final Backend backend;
  private final Dataset data;
  private final Normalisation normalisation;
  private final int batchSize;

  /** Of a model on some data. */
  public GaussNewton(
      Model model, Backend backend, Dataset data, Normalisation normalisation, int batchSize) {
    this.model = model;
    this.backend = backend;
    this.data = data;
    this.normalisation = normalisation;
    this.batchSize = batchSize;
  }

  /** out ← G·v. */
  public void multiply(Parameters v, Parameters out) {
    int outputs = Math.toIntExact(model.network().output().elements());
    OutputVectors vectors = OutputVectors.ofChanges(outputs);
    try (Arena arena = Arena.ofShared();
        SamplePass pass = new SamplePass(model, backend, data, normalisation, batchSize);
        GradientAccumulator sum = GradientAccumulator.resident(model, backend)) {
      Tensor change =
          backend.here(arena, OutputDerivative.of(arena, model, backend, data, normalisation, v));
      pass.passes(
          Progress.NONE,
          (execution, first, n, labels, ids) -> {
            Tensor rows = change.slice(first * outputs, Shape.of(n, outputs));
            execution.backward(vectors.of(rows), sum);
          });
      out.flat().copyFrom(sum.gradient().flat());
      for (long i = 0; i < out.count(); i++) {
        out.flat().set(i, out.flat().get(i) / data.size());
      }
    }
  }

  /**
   * x ≈ (G + λI)⁻¹b by conjugate gradients (Hestenes, Stiefel 1952), from zero.
   *
   * @param b overwritten by x
   * @param iterations at most
   * @param tolerance ends when the residual is this share of ‖b‖
   * @return the residual's share of ‖b‖ that is left
   */
  public double solve(Parameters b, double damping, int iterations, double tolerance) {
    if (!(damping > 0)) {
      throw new IllegalArgumentException("damping must be positive, found " + damping);
    }
    try (Arena arena = Arena.ofShared()) {
      Parameters direction = b.zerosLike(arena);
      Parameters product = b.zerosLike(arena);
      Parameters residual = b.zerosLike(arena);
      residual.flat().copyFrom(b.flat());
      direction.flat().copyFrom(b.flat());
      b.flat().clear();
      double start = dot(residual, residual);
      double left = start;
      for (int i = 0; i < iterations && left > tolerance * tolerance * start; i++) {
        multiply(direction, product);
        add(product, damping, direction);
        double curvature = dot(direction, product);
        if (!(curvature > 0)) {
          break; // rounding: the system is positive definite
        }
        double step = left / curvature;
        add(b, step, direction);
        add(residual, -step, product);
        double next = dot(residual, residual);
        scale(direction, next / left);
        add(direction, 1, residual);
        left = next;
      }
      return start == 0 ? 0 : Math.sqrt(left / start);
    }
  }

  private static double dot(Parameters a, Parameters b) {
    double sum = 0;
    for (long i = 0; i < a.count(); i++) {
      sum += (double) a.flat().get(i) * b.flat().get(i);
    }
    return sum;
  }

  private static void add(Parameters to, double factor, Parameters from) {
    for (long i = 0; i < to.count(); i++) {
      to.flat().set(i, (float) (to.flat().get(i) + factor * from.flat().get(i)));
    }
  }

  private static void scale(Parameters values, double factor) {
    for (long i = 0; i < values.count(); i++) {
      values.flat().set(i, (float) (values.flat().get(i) * factor));
    }
  }
}
