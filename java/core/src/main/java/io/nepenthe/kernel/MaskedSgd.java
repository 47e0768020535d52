package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Stochastic gradient descent with momentum, Nesterov's variant and weight decay (Sutskever,
 * Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning, ICML
 * 2013, in the form that PyTorch's SGD has with dampening 0), one sweep over a tensor of weights θ
 * with velocity v and gradient g, for the weights that the mask m selects:
 *
 * <pre>
 *   d = g·scale + weightDecay·θ
 *   v ← momentum·v + d
 *   θ ← θ − learningRate · (nesterov ? d + momentum·v : v)
 *   where m = 0:  θ keeps its bits,  v ← 0
 * </pre>
 *
 * <p>The mask acts on the step, not on the gradient: decay and momentum move no masked weight
 * either. (Fan, Liu, Zhang, Wong, Wei, Liu: SalUn, ICLR 2024, equation 5, asks for that.) A NaN in
 * a masked place has no effect; elsewhere it spreads as in any sum. Elementwise in float32, every
 * product rounded before it is added: the reference and every instruction set agree bit for bit.
 */
public final class MaskedSgd {
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_masked_sgd",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          LONG,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          INT,
          INT);

  private MaskedSgd() {}

  /**
   * How to step.
   *
   * @param learningRate η
   * @param momentum μ; 0 for none
   * @param weightDecay the factor of θ that is added to the gradient
   * @param nesterov whether to look ahead along the velocity
   * @param gradientScale multiplies the gradient first: 1 / batch for a mean over summed samples, a
   *     negative value to ascend
   */
  public record Options(
      float learningRate,
      float momentum,
      float weightDecay,
      boolean nesterov,
      float gradientScale) {
    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if one is infinite or NaN, or one of the first three is
     *     negative
     */
    public Options {
      Checks.finiteNotNegative("learningRate", learningRate);
      Checks.finiteNotNegative("momentum", momentum);
      Checks.finiteNotNegative("weightDecay", weightDecay);
      Checks.finite("gradientScale", gradientScale);
    }

    /** A rate, a momentum and a decay; no Nesterov, gradients as they are. */
    public static Options of(float learningRate, float momentum, float weightDecay) {
      return new Options(learningRate, momentum, weightDecay, false, 1);
    }

    /** The same with another rate. */
    public Options withLearningRate(float other) {
      return new Options(other, momentum, weightDecay, nesterov, gradientScale);
    }

    /** The same with another factor of the gradient. */
    public Options withGradientScale(float other) {
      return new Options(learningRate, momentum, weightDecay, nesterov, other);
    }
  }

  /** The bytes moved for n weights: three reads, two writes and a bit. */
  public static long bytes(long n) {
    return 5 * Float.BYTES * n + n / Byte.SIZE;
  }

  /** The operations for n weights: five products and four sums, Nesterov's included. */
  public static long flops(long n) {
    return 9 * n;
  }

  static void cpu(
      Tensor weights,
      Tensor velocity,
      Tensor gradient,
      Optional<Mask.Part> mask,
      Options options,
      int threads) {
    check(weights, velocity, gradient, mask);
    try {
      CPU.invokeExact(
          weights.segment(),
          velocity.segment(),
          gradient.segment(),
          mask.map(Mask.Part::segment).orElse(MemorySegment.NULL),
          weights.elements(),
          options.learningRate,
          options.momentum,
          options.weightDecay,
          options.gradientScale,
          options.nesterov ? 1 : 0,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The same in plain Java. */
  static void reference(
      Tensor weights, Tensor velocity, Tensor gradient, Optional<Mask.Part> mask, Options options) {
    check(weights, velocity, gradient, mask);
    for (long j = 0; j < weights.elements(); j++) {
      if (mask.isPresent() && !mask.get().get(j)) {
        velocity.set(j, 0);
        continue;
      }
      float weight = weights.get(j);
      float d = gradient.get(j) * options.gradientScale + options.weightDecay * weight;
      float v = options.momentum * velocity.get(j) + d;
      float direction = options.nesterov ? d + options.momentum * v : v;
      weights.set(j, weight - options.learningRate * direction);
      velocity.set(j, v);
    }
  }

  static void check(Tensor weights, Tensor velocity, Tensor gradient, Optional<Mask.Part> mask) {
    Checks.shape("velocity", velocity, weights.shape());
    Checks.shape("gradient", gradient, weights.shape());
    Checks.disjoint("weights", weights, "velocity", velocity);
    Checks.disjoint("weights", weights, "gradient", gradient);
    Checks.disjoint("velocity", velocity, "gradient", gradient);
    if (mask.isPresent()) {
      Checks.elements("mask", mask.get(), weights);
      Checks.disjoint("mask", mask.get().segment(), "weights", weights);
      Checks.disjoint("mask", mask.get().segment(), "velocity", velocity);
    }
  }
}
