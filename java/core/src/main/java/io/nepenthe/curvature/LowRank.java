package io.nepenthe.curvature;

import io.nepenthe.kernel.SingularValues;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.LongStream;

/**
 * Every query's nearest matrix of rank r, V_q ≈ Σᵣ l_qr r_qrᵀ by the singular value decomposition
 * in float64. A score is then wrong by at most ‖V_q − Σ lrᵀ‖_F ‖P‖_F.
 *
 * @param left l, the singular values included, [queries, r, O]
 * @param right r, [queries, r, columns]
 */
record LowRank(Tensor left, Tensor right) {
  /** Of queries [count, O, columns]; r at most min(O, columns). */
  static LowRank of(Arena arena, Tensor values, int rank) {
    Shape shape = values.shape();
    long outputs = shape.size(1);
    long columns = shape.size(2);
    Shape one = Shape.of(outputs, columns);
    Tensor left = Tensor.zeros(arena, shape.size(0), rank, outputs);
    Tensor right = Tensor.zeros(arena, shape.size(0), rank, columns);
    LongStream.range(0, shape.size(0))
        .parallel()
        .forEach(
            q -> {
              try (SingularValues found =
                  SingularValues.of(values.slice(q * one.elements(), one))) {
                for (int r = 0; r < rank; r++) {
                  for (long o = 0; o < outputs; o++) {
                    double value = found.left(o, r) * found.value(r);
                    left.set((q * rank + r) * outputs + o, (float) value);
                  }
                  for (long i = 0; i < columns; i++) {
                    right.set((q * rank + r) * columns + i, (float) found.right(r, i));
                  }
                }
              }
            });
    return new LowRank(left, right);
  }

  long rank() {
    return left.shape().size(1);
  }

  /** The matrices themselves, [queries, O, columns]. */
  void write(Tensor out) {
    long outputs = left.shape().size(2);
    long columns = right.shape().size(2);
    for (long at = 0; at < out.elements(); at++) {
      long q = at / columns / outputs;
      double sum = 0;
      for (long r = 0; r < rank(); r++) {
        sum +=
            (double) left.get((q * rank() + r) * outputs + at / columns % outputs)
                * right.get((q * rank() + r) * columns + at % columns);
      }
      out.set(at, (float) sum);
    }
  }
}
