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
 * operations that write none. Of a normalisation, whose scale and shift are vectors,
 *
 * <pre>
 *   P[n, 0, c]  =  Σₜ Gₙ[t, c] · X̂ₙ[t, c]          P[n, 1, c]  =  Σₜ Gₙ[t, c]
 * </pre>
 *
 * <p>with X̂ the normalised input, in float64, position after position, rounded once: the same bits
 * on every device.
 *
 * <p>The others are matrix-like: within {@code (T + 2) · 2⁻²⁴ · Σₜ|G·Ā|}; the bits depend neither
 * on threads nor on the batch.
 */
public final class SampleGradients {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_sample_gradients_workspace", LONG, POINTER, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_sample_gradients", POINTER, POINTER, POINTER, INT, POINTER, POINTER, INT);
  private static final MethodHandle NORMALISATION =
      NativeLibrary.action(
          "nep_sample_gradients_normalisation", POINTER, POINTER, LONG, LONG, LONG, POINTER, INT);

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

  /** Of a normalisation: both inputs read once, the result written. */
  public static long normalisationBytes(long inputElements, long samples, long channels) {
    return Float.BYTES * (2 * inputElements + 2 * samples * channels);
  }

  /** Of a normalisation: a product and two additions of a value. */
  public static long normalisationFlops(long inputElements) {
    return 3 * inputElements;
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
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment sizes = geometry.reserve(turn, 0);
      long needed = (long) WORKSPACE.invokeExact(sizes, threads);
      MemorySegment block = geometry.reserve(turn, needed);
      CPU.invokeExact(
          input.segment(),
          outputGradient.segment(),
          block,
          bias ? 1 : 0,
          out.segment(),
          turn.after(LayerGeometry.BYTES),
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

  static void cpuNormalisation(Tensor normalised, Tensor outputGradient, Tensor out, int threads) {
    checkNormalisation(normalised, outputGradient, out);
    try {
      NORMALISATION.invokeExact(
          normalised.segment(),
          outputGradient.segment(),
          SquareVectorGradients.samples(outputGradient),
          SquareVectorGradients.positions(outputGradient),
          SquareVectorGradients.channels(outputGradient),
          out.segment(),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void checkNormalisation(Tensor normalised, Tensor outputGradient, Tensor out) {
    Shape shape = outputGradient.shape();
    if (shape.rank() < 2) {
      throw new IllegalArgumentException(
          "output gradient must be [samples, …, channels], found " + shape);
    }
    Checks.shape("normalised input", normalised, shape);
    Checks.shape("out", out, shape.size(0), 2, SquareVectorGradients.channels(outputGradient));
    Checks.disjoint("out", out, "normalised input", normalised);
    Checks.disjoint("out", out, "output gradient", outputGradient);
  }

  /** Of a normalisation, with the bits of every device. */
  static void referenceNormalisation(Tensor normalised, Tensor outputGradient, Tensor out) {
    int channels = Math.toIntExact(SquareVectorGradients.channels(outputGradient));
    long samples = SquareVectorGradients.samples(outputGradient);
    long each = outputGradient.elements() / Math.max(1, samples);
    for (long n = 0; n < samples; n++) {
      double[] sums = new double[2 * channels];
      for (long i = 0; i < each; i++) {
        int c = (int) (i % channels);
        double g = outputGradient.get(n * each + i);
        sums[c] += g * normalised.get(n * each + i);
        sums[channels + c] += g;
      }
      for (int c = 0; c < sums.length; c++) {
        out.set(n * sums.length + c, (float) sums[c]);
      }
    }
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
