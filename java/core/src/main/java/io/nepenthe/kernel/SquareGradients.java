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
 * The sum over samples of squared per-sample weight gradients: the Fisher diagonal's accumulation.
 * For each sample n, with output gradient Gₙ [T, O] and (unfolded) input Uₙ [T, J],
 *
 * <pre>
 *   F[o, j]  +=  ( Σₜ Gₙ[t, o] · Uₙ[t, j] )²
 * </pre>
 *
 * <p>A linear layer has T positions (1 where weights are not shared) and J inputs; a convolution T
 * output positions and J = kernelHeight · kernelWidth · channels / groups, each group on its own.
 * This is the square of every sample's own gradient, not of the batch's (Fisher 1925; Kunstner,
 * Hennig, Balles 2019). No per-sample gradient reaches memory, and the workspace does not depend on
 * the number of samples.
 *
 * <p>Matrix-like: the order of additions over t differs between instruction sets, the result lies
 * within {@code (2T + 64·p + 8) · 2⁻²⁴ · Σₙ (Σₜ |G·U|)²} of the exact one, p being the pairs of
 * positions for {@link Strategy#PAIRS} and 1 otherwise. On one machine the bits depend neither on
 * the number of threads nor on how samples are split into batches.
 */
public final class SquareGradients {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_square_gradients_workspace", LONG, POINTER, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_square_gradients",
          POINTER,
          POINTER,
          POINTER,
          INT,
          INT,
          POINTER,
          POINTER,
          POINTER,
          INT);

  /** Up to this many positions, products of pairs cost less on a processor: see the benchmark. */
  private static final long PAIRS_UP_TO = 2;

  /** More positions than this the native code does not expand. */
  private static final long MOST_PAIR_POSITIONS = 8;

  private SquareGradients() {}

  /** How a sample's square is formed. The result is the same within the bound above. */
  public enum Strategy {
    /**
     * The product over positions in registers, squared into the accumulator: 2T + 2 operations a
     * weight.
     */
    PRODUCTS,
    /**
     * The square expanded into products of pairs of positions t ≤ u, off-diagonal ones twice: one
     * matrix product with T(T+1)/2 terms a sample, T(T+1) operations a weight. With one position it
     * is (G∘G)ᵀ(U∘U).
     */
    PAIRS
  }

  /** The cheaper strategy for {@code positions} positions a sample. */
  public static Strategy strategyFor(long positions) {
    return positions <= PAIRS_UP_TO ? Strategy.PAIRS : Strategy.PRODUCTS;
  }

  /**
   * The sizes of one call: n samples of T positions, J columns a group, O outputs in all.
   *
   * @param samples n
   * @param positions T
   * @param columns J
   * @param outputs O, over all groups
   */
  public record Size(long samples, long positions, long columns, long outputs) {}

  /** The least bytes moved: input and output gradient read once, both planes read and written. */
  public static long bytes(Size size, long inputElements) {
    return Float.BYTES
        * (inputElements
            + size.samples * size.positions * size.outputs
            + 4 * size.outputs * size.columns);
  }

  /** The operations of a strategy. */
  public static long flops(Size size, Strategy strategy) {
    long weights = size.outputs * size.columns;
    long t = size.positions;
    return size.samples
        * weights
        * switch (strategy) {
          case PRODUCTS -> 2 * t + 2;
          case PAIRS -> t * (t + 1);
        };
  }

  private static final Convolution POINT = Window.square(1).convolution(1);

  static void cpu(
      LayerGeometry call,
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      Strategy strategy,
      Workspace workspace,
      int threads) {
    check(call, input, outputGradient, weights);
    requireFew(call, strategy);
    if (input.elements() > 0 && outputGradient.elements() > 0 && weights.shape().elements() > 0) {
      try (Workspace.Turn turn = workspace.begin()) {
        MemorySegment sizes = call.reserve(turn, 0);
        long needed = (long) WORKSPACE.invokeExact(sizes, threads);
        MemorySegment block = call.reserve(turn, needed);
        CPU.invokeExact(
            input.segment(),
            outputGradient.segment(),
            block,
            weights.phase(),
            strategy.ordinal(),
            weights.sum().segment(),
            weights.rest().segment(),
            turn.after(LayerGeometry.BYTES),
            threads);
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }
    weights.advance(call.samples());
  }

  /** Pairs are for few positions. */
  static void requireFew(LayerGeometry call, Strategy strategy) {
    if (strategy == Strategy.PAIRS && call.positions() > MOST_PAIR_POSITIONS) {
      throw new IllegalArgumentException(
          "pairs are for at most " + MOST_PAIR_POSITIONS + " positions, found " + call.positions());
    }
  }

  /** The checked sizes of a convolution's call. */
  static LayerGeometry convolution(
      Convolution convolution, Tensor input, Tensor outputGradient, DriftFreeSum weights) {
    LayerGeometry call = LayerGeometry.convolution(convolution, input, outputGradient);
    check(call, input, outputGradient, weights);
    return call;
  }

  /** The checked sizes of a linear layer's call. */
  static LayerGeometry linear(Tensor input, Tensor outputGradient, DriftFreeSum weights) {
    LayerGeometry call = LayerGeometry.linear(input, outputGradient);
    check(call, input, outputGradient, weights);
    return call;
  }

  private static void check(
      LayerGeometry call, Tensor input, Tensor outputGradient, DriftFreeSum weights) {
    if (input.shape().rank() == 4) {
      call.convolution().requireWeights(weights.sum(), call.channels(), call.outputs());
    } else {
      Checks.shape("weights", weights.sum(), call.outputs(), call.channels());
    }
    Checks.untouched(weights, "input", input);
    Checks.untouched(weights, "output gradient", outputGradient);
  }

  /** What the plain-Java reference computes beside each other, in the accumulator's layout. */
  record Reference(double[] sum, double[] magnitude) {}

  /**
   * The same in float64 and plain Java, written for clarity.
   *
   * @return for each weight Σₙ(Σₜ G·U)² and Σₙ(Σₜ |G·U|)²
   */
  static Reference reference(Tensor input, Tensor outputGradient, Shape weights) {
    long samples = input.shape().size(0);
    long inputs = weights.size(1);
    long positions = samples * inputs == 0 ? 0 : input.elements() / (samples * inputs);
    long outputs = weights.size(0);
    return reference(
        POINT,
        input.reshape(Shape.of(samples, 1, positions, inputs)),
        outputGradient.reshape(Shape.of(samples, 1, positions, outputs)),
        Shape.of(outputs, 1, 1, inputs));
  }

  /** The convolution's reference: window by window, weight by weight. */
  static Reference reference(
      Convolution convolution, Tensor input, Tensor outputGradient, Shape weights) {
    int count = Math.toIntExact(weights.elements());
    Reference result = new Reference(new double[count], new double[count]);
    Shape in = input.shape();
    Shape out = outputGradient.shape();
    Window window = convolution.window();
    long groupOutputs = out.size(3) / convolution.groups();
    for (long n = 0; n < in.size(0); n++) {
      int weight = 0;
      for (long o = 0; o < weights.size(0); o++) {
        long firstChannel = o / groupOutputs * weights.size(3);
        for (long ky = 0; ky < weights.size(1); ky++) {
          for (long kx = 0; kx < weights.size(2); kx++) {
            for (long c = 0; c < weights.size(3); c++, weight++) {
              double product = 0;
              double magnitude = 0;
              for (long oy = 0; oy < out.size(1); oy++) {
                for (long ox = 0; ox < out.size(2); ox++) {
                  long y = oy * window.strideHeight() - window.top() + ky * window.dilationHeight();
                  long x = ox * window.strideWidth() - window.left() + kx * window.dilationWidth();
                  if (y >= 0 && y < in.size(1) && x >= 0 && x < in.size(2)) {
                    double term =
                        (double)
                                input.get(
                                    ((n * in.size(1) + y) * in.size(2) + x) * in.size(3)
                                        + firstChannel
                                        + c)
                            * outputGradient.get(
                                ((n * out.size(1) + oy) * out.size(2) + ox) * out.size(3) + o);
                    product += term;
                    magnitude += Math.abs(term);
                  }
                }
              }
              result.sum[weight] += product * product;
              result.magnitude[weight] += magnitude * magnitude;
            }
          }
        }
      }
    }
    return result;
  }

  /** The documented bound's factor of 2⁻²⁴ · Σₙ(Σₜ |G·U|)². */
  static double steps(long positions, Strategy strategy) {
    long terms = strategy == Strategy.PAIRS ? positions * (positions + 1) / 2 : 1;
    return 2 * positions + DriftFreeSum.PERIOD * terms + 8;
  }
}
