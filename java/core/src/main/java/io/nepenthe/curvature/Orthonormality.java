package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Covariance;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Collection;

/** max |QᵀQ − I| of eigenvectors as they are kept, in float32. */
final class Orthonormality {
  private Orthonormality() {}

  static double of(Backend backend, Collection<EigenBasis> bases) {
    double worst = 0;
    for (EigenBasis basis : bases) {
      worst = Math.max(worst, of(backend, basis.inputVectors()));
      worst = Math.max(worst, of(backend, basis.gradientVectors()));
    }
    return worst;
  }

  /** QᵀQ is the sum of the outer products of Q's rows. */
  private static double of(Backend backend, Tensor matrices) {
    long n = matrices.shape().size(1);
    double worst = 0;
    for (long first = 0; first < matrices.elements(); first += n * n) {
      try (Arena arena = Arena.ofConfined()) {
        DriftFreeSum product = DriftFreeSum.zeros(arena, Shape.of(n, n));
        backend
            .perSample()
            .covariance(
                Window.square(1).convolution(1),
                matrices.slice(first, Shape.of(n, 1, 1, n)),
                false,
                Covariance.Sharing.EXPAND,
                product);
        for (long i = 0; i < n; i++) {
          for (long j = i; j < n; j++) {
            double value = (double) product.sum().get(i * n + j) + product.rest().get(i * n + j);
            worst = Math.max(worst, Math.abs(value - (i == j ? 1 : 0)));
          }
        }
      }
    }
    return worst;
  }
}
