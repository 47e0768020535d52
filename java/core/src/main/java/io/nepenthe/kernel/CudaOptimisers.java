package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.util.Optional;

/** Launches of cuda/{masked_sgd,masked_adam,penalty}.cu: what changes weights. */
final class CudaOptimisers {
  private static final int EACH = 4;

  private final CudaContext context;

  CudaOptimisers(CudaContext context) {
    this.context = context;
  }

  void sgd(
      Tensor weights,
      Tensor velocity,
      Tensor gradient,
      Optional<Mask.Part> mask,
      MaskedSgd.Options o) {
    MaskedSgd.check(weights, velocity, gradient, mask);
    long n = weights.elements();
    if (n == 0) {
      return;
    }
    try (var op =
        context.begin("maskedSgd", weights.shape(), MaskedSgd.bytes(n), MaskedSgd.flops(n))) {
      op.launch(
          "nep_masked_sgd",
          context.blocks("nep_masked_sgd", n, EACH),
          op.update(weights),
          op.update(velocity),
          op.read(gradient),
          bits(op, mask),
          n,
          o.learningRate(),
          o.momentum(),
          o.weightDecay(),
          o.gradientScale(),
          o.nesterov() ? 1 : 0);
      op.finish();
    }
  }

  void adam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Optional<Mask.Part> mask,
      long step,
      MaskedAdam.Options options) {
    MaskedAdam.check(weights, first, second, gradient, mask, step);
    long n = weights.elements();
    if (n == 0) {
      return;
    }
    MaskedAdam.Scalars s = MaskedAdam.Scalars.of(options, step);
    try (var op =
        context.begin("maskedAdam", weights.shape(), MaskedAdam.bytes(n), MaskedAdam.flops(n))) {
      op.launch(
          "nep_masked_adam",
          context.blocks("nep_masked_adam", n, EACH),
          op.update(weights),
          op.update(first),
          op.update(second),
          op.read(gradient),
          bits(op, mask),
          n,
          s.keep1(),
          s.add1(),
          s.keep2(),
          s.add2(),
          s.rate(),
          s.root(),
          options.epsilon(),
          s.decay(),
          s.shrink(),
          options.gradientScale());
      op.finish();
    }
  }

  void signs(Tensor values, Tensor of, float factor) {
    Penalty.check(values, of);
    long n = values.elements();
    if (n == 0) {
      return;
    }
    try (var op = context.begin("signs", values.shape(), 3 * values.shape().bytes(), 3 * n)) {
      op.launch(
          "nep_penalty_signs",
          context.blocks("nep_penalty_signs", n, EACH),
          op.update(values),
          op.read(of),
          n,
          factor);
      op.finish();
    }
  }

  void shrink(Tensor weights, Optional<Mask.Part> mask, float threshold) {
    Penalty.check(weights, mask);
    long n = weights.elements();
    if (n == 0) {
      return;
    }
    try (var op = context.begin("shrink", weights.shape(), 2 * weights.shape().bytes(), 3 * n)) {
      op.launch(
          "nep_penalty_shrink",
          context.blocks("nep_penalty_shrink", n, EACH),
          op.update(weights),
          bits(op, mask),
          n,
          threshold);
      op.finish();
    }
  }

  private static long bits(CudaContext.Operation op, Optional<Mask.Part> mask) {
    return mask.map(
            part -> part.onDevice().map(op::read).orElseGet(() -> op.upload(part.segment())))
        .orElse(0L);
  }
}
