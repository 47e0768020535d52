package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.util.Optional;

/**
 * The penalty ‖w‖₁ of a step, by its subgradient or by its proximal operator (Parikh, Boyd:
 * "Proximal algorithms", 2014, 6.5.2):
 *
 * <pre>
 *   signs    values += factor·sign(of)                  sign(0) = 0, NaN of NaN
 *   shrink   w ← sign(w)·max(0, |w| − threshold)        where selected; what is not stays
 * </pre>
 *
 * <p>In float32, one rounding an operation: the same bits on every device.
 */
final class Penalty {
  private Penalty() {}

  static void check(Tensor values, Tensor of) {
    Checks.shape("of", of, values.shape());
    Checks.disjoint("values", values, "of", of);
  }

  static void check(Tensor weights, Optional<Mask.Part> mask) {
    mask.ifPresent(
        part -> {
          Checks.elements("mask", part, weights);
          Checks.disjoint("mask", part.segment(), "weights", weights);
        });
  }

  static void signs(Tensor values, Tensor of, float factor) {
    check(values, of);
    for (long j = 0; j < values.elements(); j++) {
      values.set(j, values.get(j) + factor * Math.signum(of.get(j)));
    }
  }

  static void shrink(Tensor weights, Optional<Mask.Part> mask, float threshold) {
    check(weights, mask);
    for (long j = 0; j < weights.elements(); j++) {
      if (mask.isEmpty() || mask.get().get(j)) {
        float weight = weights.get(j);
        float size = Math.max(0, Math.abs(weight) - threshold);
        weights.set(j, size == 0 ? 0 : Math.copySign(size, weight));
      }
    }
  }
}
