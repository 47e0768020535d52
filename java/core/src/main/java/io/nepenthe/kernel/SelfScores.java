package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The weighted square norm of every sample's own gradient,
 *
 * <pre>
 *   s[n]  =  Σ_{o,j} W[o, j] · ( Σₜ Gₙ[t, o] · Aₙ[t, j] )²
 * </pre>
 *
 * <p>With input and output gradient rotated into a layer's eigenbasis and W = 1/(Λ + λ) this is a
 * sample's influence on itself (George et al. 2018; Grosse et al. 2023, section 5.3.3): one
 * rotation, not two. No gradient reaches memory.
 *
 * <p>Matrix-like: within {@code (2T + 800) · 2⁻²⁴ · Σ |W|·(Σₜ|G·A|)²}, for {@link Strategy#SQUARES}
 * {@code (O + 60)} instead of the first factor. The bits depend neither on threads nor on the
 * batch.
 */
public final class SelfScores {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_self_scores_workspace", LONG, POINTER, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_self_scores", POINTER, POINTER, POINTER, POINTER, INT, POINTER, POINTER, INT);
  private static final MethodHandle GRADIENTS =
      NativeLibrary.action("nep_self_scores_gradients", POINTER, POINTER, LONG, LONG, POINTER, INT);

  private SelfScores() {}

  /** How the squares are formed. The result is the same within the bounds above. */
  public enum Strategy {
    /** The product over positions in registers, squared there: 2T + 3 operations a weight. */
    PRODUCTS,
    /** For one position, Σⱼ a² (g²W)ⱼ, a matrix product: 2 operations a weight. */
    SQUARES
  }

  /** The cheaper strategy for a convolution: squares are for one position and one group. */
  static Strategy strategyFor(LayerGeometry geometry) {
    boolean point = geometry.convolution().equals(LayerGeometry.POINT);
    return point ? strategyFor(geometry.positions()) : Strategy.PRODUCTS;
  }

  /** The cheaper strategy for {@code positions} positions a sample. */
  public static Strategy strategyFor(long positions) {
    return positions == 1 ? Strategy.SQUARES : Strategy.PRODUCTS;
  }

  /** The least bytes moved: all arguments once. */
  public static long bytes(SquareGradients.Size size) {
    return Float.BYTES
        * (size.samples() * size.positions() * (size.columns() + size.outputs())
            + size.outputs() * size.columns()
            + size.samples());
  }

  /** The operations of a strategy. */
  public static long flops(SquareGradients.Size size, Strategy strategy) {
    long weights = size.samples() * size.outputs() * size.columns();
    return weights * (strategy == Strategy.SQUARES ? 2 : 2 * size.positions() + 3);
  }

  static void cpu(
      LayerGeometry geometry,
      Tensor input,
      Tensor outputGradient,
      Tensor weights,
      Tensor scores,
      Strategy strategy,
      Workspace workspace,
      int threads) {
    check(geometry, input, outputGradient, weights, scores, strategy);
    if (input.elements() == 0 || outputGradient.elements() == 0) {
      scores.clear();
      return;
    }
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment sizes = geometry.reserve(turn, 0);
      long needed = (long) WORKSPACE.invokeExact(sizes, threads);
      MemorySegment block = geometry.reserve(turn, needed);
      CPU.invokeExact(
          input.segment(),
          outputGradient.segment(),
          block,
          weights.segment(),
          strategy.ordinal(),
          scores.segment(),
          turn.after(LayerGeometry.BYTES),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void cpuOfGradients(Tensor gradients, Tensor weights, Tensor scores, int threads) {
    long samples = checkGradients(gradients, weights, scores);
    try {
      GRADIENTS.invokeExact(
          gradients.segment(),
          weights.segment(),
          samples,
          weights.elements(),
          scores.segment(),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void check(
      LayerGeometry geometry,
      Tensor input,
      Tensor outputGradient,
      Tensor weights,
      Tensor scores,
      Strategy strategy) {
    if (weights.elements() != geometry.outputs() * geometry.columns()) {
      throw new IllegalArgumentException(
          "weights must be the "
              + geometry.outputs()
              + " × "
              + geometry.columns()
              + " of the layer, found "
              + weights.shape());
    }
    checkScores(scores, Shape.of(geometry.samples()), input, outputGradient, weights);
    boolean point =
        geometry.positions() == 1
            && geometry.columns() == geometry.height() * geometry.width() * geometry.channels();
    if (strategy == Strategy.SQUARES && !point) {
      throw new IllegalArgumentException("squares are for one position and one group");
    }
  }

  /** Returns how many samples there are. */
  static long checkGradients(Tensor gradients, Tensor weights, Tensor scores) {
    long samples = gradients.shape().rank() == 0 ? 0 : gradients.shape().size(0);
    if (gradients.elements() != samples * weights.elements()) {
      throw new IllegalArgumentException(
          "gradients must be samples of the weights' "
              + weights.shape()
              + ", found "
              + gradients.shape());
    }
    checkScores(scores, Shape.of(samples), gradients, weights, weights);
    return samples;
  }

  static void checkScores(Tensor scores, Shape shape, Tensor input, Tensor gradient, Tensor third) {
    Checks.shape("scores", scores, shape);
    Checks.disjoint("scores", scores, "input", input);
    Checks.disjoint("scores", scores, "output gradient", gradient);
    Checks.disjoint("scores", scores, "weights", third);
  }

  /** The same in float64 and plain Java, from every sample's gradient and its magnitude. */
  static SquareGradients.Reference reference(
      SquareGradients.Reference gradients, Tensor weights, int samples) {
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[samples], new double[samples]);
    int size = Math.toIntExact(weights.elements());
    for (int at = 0; at < samples * size; at++) {
      double weight = weights.get(at % size);
      result.sum()[at / size] += weight * gradients.sum()[at] * gradients.sum()[at];
      result.magnitude()[at / size] +=
          Math.abs(weight) * gradients.magnitude()[at] * gradients.magnitude()[at];
    }
    return result;
  }

  /** The documented bound's factor of 2⁻²⁴ · Σ|terms|. */
  static double steps(long positions, long outputs, Strategy strategy) {
    return strategy == Strategy.SQUARES ? outputs + 60 : 2 * positions + 800;
  }
}
