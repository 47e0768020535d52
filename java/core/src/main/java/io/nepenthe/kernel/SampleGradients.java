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
 * Every sample's own weight gradient, written out:
 *
 * <pre>
 *   P[n, o, j]  =  Σₜ Gₙ[t, o] · Āₙ[t, j]
 * </pre>
 *
 * <p>with the bias feature as the last column where there is one. For what must see a few samples'
 * whole gradients, such as the queries of an influence; statistics over many samples use the
 * operations that write none.
 *
 * <p>Matrix-like: within {@code (T + 2) · 2⁻²⁴ · Σₜ|G·Ā|}; the bits depend neither on threads nor
 * on the batch.
 */
public final class SampleGradients {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_sample_gradients_workspace", LONG, POINTER, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_sample_gradients", POINTER, POINTER, POINTER, INT, POINTER, POINTER, INT);

  private SampleGradients() {}

  /** The least bytes moved: input and output gradient read once, the result written. */
  public static long bytes(SquareGradients.Size size, long inputElements) {
    return Float.BYTES
        * (inputElements
            + size.samples() * size.positions() * size.outputs()
            + size.samples() * size.outputs() * size.columns());
  }

  /** The operations. */
  public static long flops(SquareGradients.Size size) {
    return 2 * size.samples() * size.positions() * size.outputs() * size.columns();
  }

  static void cpu(
      LayerGeometry geometry,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      Tensor out,
      Workspace workspace,
      int threads) {
    check(geometry, input, outputGradient, bias, out);
    if (out.elements() == 0) {
      return;
    }
    if (geometry.positions() == 0) {
      out.clear();
      return;
    }
    try {
      MemorySegment sizes = geometry.reserve(workspace, 0);
      long needed = (long) WORKSPACE.invokeExact(sizes, threads);
      MemorySegment block = geometry.reserve(workspace, needed);
      CPU.invokeExact(
          input.segment(),
          outputGradient.segment(),
          block,
          bias ? 1 : 0,
          out.segment(),
          workspace.after(LayerGeometry.BYTES),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void check(
      LayerGeometry geometry, Tensor input, Tensor outputGradient, boolean bias, Tensor out) {
    Checks.shape(
        "out", out, Shape.of(geometry.samples(), geometry.outputs(), geometry.features(bias)));
    Checks.disjoint("out", out, "input", input);
    Checks.disjoint("out", out, "output gradient", outputGradient);
  }

  /**
   * The same in float64 and plain Java.
   *
   * @return for each sample's weight Σₜ G·Ā and Σₜ |G·Ā|
   */
  static SquareGradients.Reference reference(
      LayerGeometry geometry, Tensor input, Tensor outputGradient, boolean bias) {
    int features = Math.toIntExact(geometry.features(bias));
    int outputs = Math.toIntExact(geometry.outputs());
    int count = Math.toIntExact(geometry.samples()) * outputs * features;
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[count], new double[count]);
    long each = outputs / geometry.convolution().groups();
    for (int at = 0; at < count; at++) {
      long n = at / features / outputs;
      long o = at / features % outputs;
      for (long t = 0; t < geometry.positions(); t++) {
        double term =
            outputGradient.get((n * geometry.positions() + t) * outputs + o)
                * geometry.feature(input, n, t, o / each, at % features);
        result.sum()[at] += term;
        result.magnitude()[at] += Math.abs(term);
      }
    }
    return result;
  }

  /** The documented bound's factor of 2⁻²⁴ · Σ|terms|. */
  static double steps(long positions) {
    return positions + 2;
  }
}
