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
 * Adam (Kingma, Ba: Adam, a method for stochastic optimization, ICLR 2015, algorithm 1) and AdamW
 * (Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019), one sweep over a tensor
 * of weights θ with moments m₁, m₂ and gradient g at step t = 1, 2, …, for the weights that the
 * mask selects:
 *
 * <pre>
 *   g' = g·scale + (decoupled ? 0 : weightDecay)·θ
 *   m₁ ← β₁·m₁ + (1−β₁)·g'
 *   m₂ ← β₂·m₂ + (1−β₂)·(g'·g')
 *   θ ← θ·(decoupled ? 1 − learningRate·weightDecay : 1)  −  rate·(m₁ / (√m₂ / root + ε))
 *        rate = learningRate / (1−β₁ᵗ),   root = √(1−β₂ᵗ)
 *   where the mask is 0:  θ keeps its bits,  m₁ ← 0,  m₂ ← 0
 * </pre>
 *
 * <p>The scalars (1−β, rate, root, the shrinking factor) are computed once a step in double and
 * rounded to float; the elementwise part is float32, every product rounded before it is added,
 * division and square root correctly rounded: the reference and every instruction set agree bit for
 * bit. A NaN in a masked place has no effect; elsewhere it spreads as in any sum.
 */
public final class MaskedAdam {
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_masked_adam",
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          LONG,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          FLOAT,
          INT);

  private MaskedAdam() {}

  /**
   * How to step.
   *
   * @param learningRate η
   * @param beta1 β₁, in [0, 1)
   * @param beta2 β₂, in [0, 1)
   * @param epsilon ε, positive
   * @param weightDecay added to the gradient, or, decoupled, taken from the weight directly
   * @param decoupled whether the decay is AdamW's
   * @param gradientScale multiplies the gradient first: 1 / batch for a mean over summed samples, a
   *     negative value to ascend
   */
  public record Options(
      float learningRate,
      double beta1,
      double beta2,
      float epsilon,
      float weightDecay,
      boolean decoupled,
      float gradientScale) {
    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if one is out of its range, infinite or NaN
     */
    public Options {
      Checks.finiteNotNegative("learningRate", learningRate);
      requireBeta("beta1", beta1);
      requireBeta("beta2", beta2);
      Checks.finiteNotNegative("epsilon", epsilon);
      if (epsilon == 0) {
        throw new IllegalArgumentException("epsilon must be positive, found 0");
      }
      Checks.finiteNotNegative("weightDecay", weightDecay);
      Checks.finite("gradientScale", gradientScale);
    }

    /** Adam with that rate and the usual β₁ = 0.9, β₂ = 0.999, ε = 1e-8, no decay. */
    public static Options adam(float learningRate) {
      return new Options(learningRate, 0.9, 0.999, 1e-8f, 0, false, 1);
    }

    /** AdamW with that rate and decay and the usual β₁ = 0.9, β₂ = 0.999, ε = 1e-8. */
    public static Options adamW(float learningRate, float weightDecay) {
      return new Options(learningRate, 0.9, 0.999, 1e-8f, weightDecay, true, 1);
    }

    /** The same with another rate. */
    public Options withLearningRate(float other) {
      return new Options(other, beta1, beta2, epsilon, weightDecay, decoupled, gradientScale);
    }

    /** The same with another factor of the gradient. */
    public Options withGradientScale(float other) {
      return new Options(learningRate, beta1, beta2, epsilon, weightDecay, decoupled, other);
    }

    private static void requireBeta(String name, double beta) {
      if (!(beta >= 0 && beta < 1)) {
        throw new IllegalArgumentException(name + " must be in [0, 1), found " + beta);
      }
    }
  }

  /** The scalars of one step. */
  record Scalars(
      float keep1,
      float add1,
      float keep2,
      float add2,
      float rate,
      float root,
      float decay,
      float shrink) {
    // StrictMath: the same bits on every machine.
    static Scalars of(Options o, long step) {
      return new Scalars(
          (float) o.beta1,
          (float) (1 - o.beta1),
          (float) o.beta2,
          (float) (1 - o.beta2),
          (float) (o.learningRate / (1 - StrictMath.pow(o.beta1, step))),
          (float) Math.sqrt(1 - StrictMath.pow(o.beta2, step)),
          o.decoupled ? 0 : o.weightDecay,
          o.decoupled ? (float) (1 - (double) o.learningRate * o.weightDecay) : 1);
    }
  }

  /** The bytes moved for n weights: four reads, three writes and a bit. */
  public static long bytes(long n) {
    return 7 * Float.BYTES * n + n / Byte.SIZE;
  }

  /** The operations for n weights: nine products, five sums, two divisions and a root. */
  public static long flops(long n) {
    return 17 * n;
  }

  static void cpu(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Optional<Mask.Part> mask,
      long step,
      Options options,
      int threads) {
    check(weights, first, second, gradient, mask, step);
    Scalars s = Scalars.of(options, step);
    try {
      CPU.invokeExact(
          weights.segment(),
          first.segment(),
          second.segment(),
          gradient.segment(),
          mask.map(Mask.Part::segment).orElse(MemorySegment.NULL),
          weights.elements(),
          s.keep1,
          s.add1,
          s.keep2,
          s.add2,
          s.rate,
          s.root,
          options.epsilon,
          s.decay,
          s.shrink,
          options.gradientScale,
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The same in plain Java. */
  static void reference(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Optional<Mask.Part> mask,
      long step,
      Options options) {
    check(weights, first, second, gradient, mask, step);
    Scalars s = Scalars.of(options, step);
    for (long j = 0; j < weights.elements(); j++) {
      if (mask.isPresent() && !mask.get().get(j)) {
        first.set(j, 0);
        second.set(j, 0);
        continue;
      }
      float weight = weights.get(j);
      float g = gradient.get(j) * options.gradientScale + s.decay * weight;
      float m1 = s.keep1 * first.get(j) + s.add1 * g;
      float m2 = s.keep2 * second.get(j) + s.add2 * (g * g);
      float spread = (float) Math.sqrt(m2) / s.root + options.epsilon;
      weights.set(j, weight * s.shrink - s.rate * (m1 / spread));
      first.set(j, m1);
      second.set(j, m2);
    }
  }

  static void check(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Optional<Mask.Part> mask,
      long step) {
    Checks.positive("step", step);
    Tensor[] tensors = {weights, first, second, gradient};
    String[] names = {"weights", "first", "second", "gradient"};
    for (int i = 0; i < tensors.length; i++) {
      Checks.shape(names[i], tensors[i], weights.shape());
      for (int j = 0; j < i; j++) {
        Checks.disjoint(names[j], tensors[j], names[i], tensors[i]);
      }
      if (mask.isPresent() && i < 3) {
        Checks.elements("mask", mask.get(), weights);
        Checks.disjoint("mask", mask.get().segment(), names[i], tensors[i]);
      }
    }
  }
}
