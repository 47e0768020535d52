package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * (δI + (1/N) Σ gₙgₙᵀ)⁻¹v, the damped empirical Fisher information of N samples over all parameters
 * together, inverted by Woodbury's identity:
 *
 * <pre>
 *   H⁻¹v = (1/δ) [ v − Gᵀ (N·δ·I + GGᵀ)⁻¹ G v ]       G the N × P matrix of gradients
 * </pre>
 *
 * <p>This is what the recursion of WoodFisher (Singh, Alistarh 2020) computes one sample at a time;
 * the shortened recursion in circulation rescales one gradient and is something else. G takes 4
 * bytes a sample and parameter.
 */
public final class WoodFisher {
  private WoodFisher() {}

  /**
   * v ← H⁻¹v.
   *
   * @param samples whose gradients, true labels, make the Fisher information
   * @param damping δ, positive
   */
  public static void solve(
      Model model,
      Backend backend,
      Dataset samples,
      Normalisation normalisation,
      double damping,
      int batchSize,
      Parameters v) {
    if (!(damping > 0)) {
      throw new IllegalArgumentException("damping must be positive, found " + damping);
    }
    int n = Math.toIntExact(samples.size());
    long size = v.count();
    try (Arena arena = Arena.ofShared()) {
      Tensor gradients = gradients(arena, model, backend, samples, normalisation, batchSize);
      Tensor one = Tensor.zeros(arena, n, 1, 1);
      for (int i = 0; i < n; i++) {
        one.set(i, 1);
      }
      Tensor rows = gradients.reshape(Shape.of(n, 1, size));
      Tensor gram = Tensor.zeros(arena, n, n);
      products(backend, rows, one, rows, gram);
      Tensor products = Tensor.zeros(arena, 1, n);
      products(backend, rows, one, v.flat(), products);
      double[] matrix = new double[n * n];
      double[] x = new double[n];
      for (int i = 0; i < n; i++) {
        x[i] = products.get(i);
        for (int j = 0; j < n; j++) {
          matrix[i * n + j] = gram.get((long) i * n + j) + (i == j ? n * damping : 0);
        }
      }
      cholesky(matrix, n, x);
      for (long k = 0; k < size; k++) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
          sum += x[i] * gradients.get(i * size + k);
        }
        v.flat().set(k, (float) ((v.flat().get(k) - sum) / damping));
      }
    }
  }

  /** The products of all rows with some vectors, [vectors, rows]. */
  private static void products(
      Backend backend, Tensor rows, Tensor one, Tensor vectors, Tensor out) {
    long size = rows.shape().size(2);
    try (Arena scratch = Arena.ofShared()) {
      Tensor each = vectors.reshape(Shape.of(vectors.elements() / size, 1, size));
      backend
          .perSample()
          .pairScores(rows, one, false, backend.perSample().packQueries(scratch, 1, 1, each), out);
    }
  }

  /** G, in the order of the model's parameters. */
  private static Tensor gradients(
      Arena arena,
      Model model,
      Backend backend,
      Dataset samples,
      Normalisation normalisation,
      int batchSize) {
    List<ParameterBlock> blocks = ParameterBlock.of(model, true);
    long size = model.parameters().count();
    Tensor all = Tensor.zeros(arena, samples.size(), size);
    try (Arena scratch = Arena.ofShared()) {
      Map<String, Tensor> out = new LinkedHashMap<>();
      for (ParameterBlock block : blocks) {
        Shape shape = EkFac.shape(block);
        out.put(block.name(), Tensor.zeros(scratch, samples.size(), shape.size(0), shape.size(1)));
      }
      try (SampleBlockGradients writer = new SampleBlockGradients(backend, blocks, out)) {
        Influence.losses(
            model,
            backend,
            samples,
            normalisation,
            batchSize,
            Progress.NONE,
            (first, n) -> {
              writer.first(first);
              return writer;
            });
      }
      for (long n = 0; n < samples.size(); n++) {
        Parameters row =
            Parameters.of(model.parameters().specs(), all.slice(n * size, Shape.of(size)));
        for (ParameterBlock block : blocks) {
          Shape shape = EkFac.shape(block);
          block.scatter(out.get(block.name()).slice(n * shape.elements(), shape), row);
        }
      }
    }
    return all;
  }

  /** x ← M⁻¹x for a positive definite M, which is overwritten. */
  private static void cholesky(double[] m, int n, double[] x) {
    for (int j = 0; j < n; j++) {
      for (int i = j; i < n; i++) {
        double sum = m[i * n + j];
        for (int k = 0; k < j; k++) {
          sum -= m[i * n + k] * m[j * n + k];
        }
        if (i == j && !(sum > 0)) {
          throw new IllegalArgumentException(
              "the damping is too small for the rounding of the gradients' products, or these are"
                  + " not finite: there is no inverse");
        }
        m[i * n + j] = i == j ? Math.sqrt(sum) : sum / m[j * n + j];
      }
    }
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < i; k++) {
        x[i] -= m[i * n + k] * x[k];
      }
      x[i] /= m[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
      for (int k = i + 1; k < n; k++) {
        x[i] -= m[k * n + i] * x[k];
      }
      x[i] /= m[i * n + i];
    }
  }
}
