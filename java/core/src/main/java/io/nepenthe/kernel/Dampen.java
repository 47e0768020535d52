package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Selective synaptic dampening (Foster, Schoepf, Brintrup: Fast Machine Unlearning Without
 * Retraining Through Selective Synaptic Dampening, AAAI 2024, equations 3 and 4), one sweep over a
 * tensor of weights θ:
 *
 * <pre>
 *   selected(j)  iff  I_f[j] &gt; α · I_D[j]                      (strict)
 *   θ[j]  ←  min(λ · I_D[j] / I_f[j], upper) · θ[j]            for the selected j, untouched otherwise
 * </pre>
 *
 * <p>I_f = 0 selects nothing; I_D = 0 with I_f &gt; 0 sets the weight to zero; an importance that
 * is NaN or infinite selects nothing and is counted. Elementwise in float32: the reference and
 * every instruction set agree bit for bit. The sums of the result follow {@link Reduction}'s order.
 */
public final class Dampen {
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_dampen",
          POINTER,
          POINTER,
          POINTER,
          LONG,
          FLOAT,
          FLOAT,
          FLOAT,
          POINTER,
          POINTER,
          INT);

  private static final long COUNTS = 3;
  private static final long MAGNITUDES = 4;

  private Dampen() {}

  /**
   * How strongly to dampen.
   *
   * @param selection α: a weight is selected when its forget importance passes α times its
   *     reference importance
   * @param dampening λ: the factor is λ times reference over forget importance
   * @param upper the largest factor; 1 never enlarges a weight
   */
  public record Options(float selection, float dampening, float upper) {
    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if one is negative, infinite or NaN
     */
    public Options {
      Checks.finiteNotNegative("selection", selection);
      Checks.finiteNotNegative("dampening", dampening);
      Checks.finiteNotNegative("upper", upper);
    }

    /** α and λ, with no weight enlarged. */
    public static Options of(float selection, float dampening) {
      return new Options(selection, dampening, 1);
    }
  }

  /**
   * What a sweep did.
   *
   * @param selected how many weights were scaled
   * @param zeroed how many of these are zero now
   * @param nonFinite how many pairs of importances held a NaN or an infinity
   * @param magnitudeBefore Σ|θ| before
   * @param magnitudeAfter Σ|θ| after
   * @param factors the sum of the selected weights' factors
   * @param largestChange max |θ before − θ after|
   */
  public record Result(
      long selected,
      long zeroed,
      long nonFinite,
      double magnitudeBefore,
      double magnitudeAfter,
      double factors,
      double largestChange) {}

  /** The bytes moved for n weights when all are written: three reads and a write. */
  public static long bytes(long n) {
    return 4 * Float.BYTES * n;
  }

  /**
   * The bytes moved for n weights, expected when each is selected independently with probability
   * {@code selected}: three reads, and a write of every cache line in which something was selected.
   */
  public static long bytes(long n, double selected) {
    double untouched = Math.pow(1 - selected, (double) Tensor.ALIGNMENT / Float.BYTES);
    return Math.round(bytes(n) - untouched * Float.BYTES * n);
  }

  /** The operations for n weights: comparison product, factor, clamp, scale. */
  public static long flops(long n) {
    return 5 * n;
  }

  static Result cpu(
      Tensor weights,
      Tensor forget,
      Tensor reference,
      Options options,
      Workspace workspace,
      int threads) {
    check(weights, forget, reference);
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment counts = turn.reserve((COUNTS + MAGNITUDES) * Long.BYTES);
      MemorySegment magnitudes = counts.asSlice(COUNTS * Long.BYTES, MAGNITUDES * Double.BYTES);
      CPU.invokeExact(
          weights.segment(),
          forget.segment(),
          reference.segment(),
          weights.elements(),
          options.selection,
          options.dampening,
          options.upper,
          counts,
          magnitudes,
          threads);
      return new Result(
          counts.getAtIndex(ValueLayout.JAVA_LONG, 0),
          counts.getAtIndex(ValueLayout.JAVA_LONG, 1),
          counts.getAtIndex(ValueLayout.JAVA_LONG, 2),
          magnitudes.getAtIndex(ValueLayout.JAVA_DOUBLE, 0),
          magnitudes.getAtIndex(ValueLayout.JAVA_DOUBLE, 1),
          magnitudes.getAtIndex(ValueLayout.JAVA_DOUBLE, 2),
          magnitudes.getAtIndex(ValueLayout.JAVA_DOUBLE, 3));
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The same in plain Java. */
  static Result reference(Tensor weights, Tensor forget, Tensor reference, Options options) {
    check(weights, forget, reference);
    long n = weights.elements();
    Reduction before = new Reduction(n);
    Reduction after = new Reduction(n);
    Reduction factors = new Reduction(n);
    long selected = 0;
    long zeroed = 0;
    long nonFinite = 0;
    float largestChange = 0;
    for (long j = 0; j < n; j++) {
      float weight = weights.get(j);
      float importance = forget.get(j);
      float base = reference.get(j);
      float result = weight;
      float factor = 0;
      if (!Float.isFinite(importance) || !Float.isFinite(base)) {
        nonFinite++;
      } else if (importance > options.selection * base) {
        float ratio = options.dampening * base / importance;
        factor = ratio < options.upper ? ratio : options.upper;
        result = factor * weight;
        selected++;
        zeroed += result == 0 ? 1 : 0;
        largestChange = Math.max(largestChange, Math.abs(weight - result));
      }
      weights.set(j, result);
      before.add(Math.abs(weight));
      after.add(Math.abs(result));
      factors.add(factor);
    }
    return new Result(
        selected, zeroed, nonFinite, before.total(), after.total(), factors.total(), largestChange);
  }

  static void check(Tensor weights, Tensor forget, Tensor reference) {
    Checks.shape("forget", forget, weights.shape());
    Checks.shape("reference", reference, weights.shape());
    Checks.disjoint("weights", weights, "forget", forget);
    Checks.disjoint("weights", weights, "reference", reference);
  }
}
