package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The sum over samples of squared per-sample gradients of parameters that are vectors or table
 * rows:
 *
 * <pre>
 *   bias, shift   F[c]     +=  ( Σₜ Gₙ[t, c] )²
 *   scale         F[c]     +=  ( Σₜ Gₙ[t, c] · X̂ₙ[t, c] )²         X̂ the normalised input
 *   embedding     F[v, c]  +=  ( Σ over t with token[n, t] = v of Gₙ[t, c] )²
 * </pre>
 *
 * <p>Matrix-like, like {@link SquareGradients} and with its bound and guarantees.
 */
public final class SquareVectorGradients {
  /** A token that stands for no row: its gradient is ignored. */
  public static final int PADDING = -1;

  private static final MethodHandle BIAS =
      NativeLibrary.action(
          "nep_square_vector_gradients_bias",
          POINTER,
          LONG,
          LONG,
          LONG,
          INT,
          POINTER,
          POINTER,
          INT);
  private static final MethodHandle SCALE =
      NativeLibrary.action(
          "nep_square_vector_gradients_scale",
          POINTER,
          POINTER,
          LONG,
          LONG,
          LONG,
          INT,
          POINTER,
          POINTER,
          INT);
  private static final MethodHandle EMBEDDING_WORKSPACE =
      NativeLibrary.function(
          "nep_square_vector_gradients_embedding_workspace", LONG, LONG, LONG, INT);
  private static final MethodHandle EMBEDDING =
      NativeLibrary.action(
          "nep_square_vector_gradients_embedding",
          POINTER,
          POINTER,
          LONG,
          LONG,
          LONG,
          LONG,
          INT,
          POINTER,
          POINTER,
          POINTER,
          INT);

  private static final ValueLayout.OfInt TOKEN = ValueLayout.JAVA_INT;

  private SquareVectorGradients() {}

  /** The bytes read for a bias of n gradient values; twice that for a scale. */
  public static long bytes(long gradientElements) {
    return Float.BYTES * gradientElements;
  }

  /** The additions for a bias of n gradient values; twice that for a scale. */
  public static long flops(long gradientElements) {
    return gradientElements;
  }

  static void bias(Tensor outputGradient, DriftFreeSum bias, int threads) {
    check(outputGradient, bias);
    if (outputGradient.elements() > 0) {
      try {
        BIAS.invokeExact(
            outputGradient.segment(),
            samples(outputGradient),
            positions(outputGradient),
            channels(outputGradient),
            bias.phase(),
            bias.sum().segment(),
            bias.rest().segment(),
            threads);
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }
    bias.advance(samples(outputGradient));
  }

  static void scale(Tensor normalised, Tensor outputGradient, DriftFreeSum scale, int threads) {
    check(outputGradient, scale);
    Checks.shape("normalised input", normalised, outputGradient.shape());
    Checks.untouched(scale, "normalised input", normalised);
    if (outputGradient.elements() > 0) {
      try {
        SCALE.invokeExact(
            normalised.segment(),
            outputGradient.segment(),
            samples(outputGradient),
            positions(outputGradient),
            channels(outputGradient),
            scale.phase(),
            scale.sum().segment(),
            scale.rest().segment(),
            threads);
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }
    scale.advance(samples(outputGradient));
  }

  static void embedding(
      MemorySegment tokens,
      Tensor outputGradient,
      DriftFreeSum rows,
      Workspace workspace,
      int threads) {
    Shape shape = outputGradient.shape();
    checkEmbedding(tokens, outputGradient, rows);
    if (outputGradient.elements() > 0) {
      try (Workspace.Turn turn = workspace.begin()) {
        long needed =
            (long) EMBEDDING_WORKSPACE.invokeExact(shape.size(1), rows.shape().size(0), threads);
        EMBEDDING.invokeExact(
            tokens,
            outputGradient.segment(),
            shape.size(0),
            shape.size(1),
            rows.shape().size(0),
            shape.size(2),
            rows.phase(),
            rows.sum().segment(),
            rows.rest().segment(),
            turn.reserve(needed),
            threads);
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }
    rows.advance(shape.size(0));
  }

  static void check(Tensor outputGradient, DriftFreeSum state) {
    Shape shape = outputGradient.shape();
    if (shape.rank() < 2) {
      throw new IllegalArgumentException(
          "output gradient must be [samples, …, channels], found " + shape);
    }
    Checks.shape("parameter", state.sum(), channels(outputGradient));
    Checks.untouched(state, "output gradient", outputGradient);
  }

  static long samples(Tensor outputGradient) {
    return outputGradient.shape().size(0);
  }

  static long channels(Tensor outputGradient) {
    return outputGradient.shape().size(outputGradient.shape().rank() - 1);
  }

  /** All but the first and the last of its sizes together. */
  static long positions(Tensor outputGradient) {
    long positions = 1;
    for (int axis = 1; axis < outputGradient.shape().rank() - 1; axis++) {
      positions *= outputGradient.shape().size(axis);
    }
    return positions;
  }

  static void checkEmbedding(MemorySegment tokens, Tensor outputGradient, DriftFreeSum rows) {
    Shape shape = outputGradient.shape();
    if (shape.rank() != 3 || rows.shape().rank() != 2 || rows.shape().size(1) != shape.size(2)) {
      throw new IllegalArgumentException(
          "output gradient must be [samples, positions, columns] and the table [rows, columns], found "
              + shape
              + " and "
              + rows.shape());
    }
    Checks.untouched(rows, "output gradient", outputGradient);
    long count = shape.size(0) * shape.size(1);
    if (!tokens.isNative()
        || tokens.byteSize() != count * Integer.BYTES
        || tokens.address() % Integer.BYTES != 0) {
      throw new IllegalArgumentException(
          "tokens must be native memory of "
              + count
              + " aligned int32 values, found "
              + tokens.byteSize()
              + " bytes");
    }
    Checks.untouched(rows, "tokens", tokens);
    long table = rows.shape().size(0);
    for (long i = 0; i < count; i++) {
      int token = tokens.getAtIndex(TOKEN, i);
      if (token < PADDING || token >= table) {
        throw new IllegalArgumentException(
            "token " + token + " at " + i + " is not in -1…" + (table - 1));
      }
    }
  }

  /**
   * The bias in float64 and plain Java; with {@code normalised} equal to ones a scale is a bias.
   */
  static SquareGradients.Reference reference(
      Tensor normalised, Tensor outputGradient, long channels) {
    int count = Math.toIntExact(channels);
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[count], new double[count]);
    long samples = outputGradient.shape().size(0);
    long positions = outputGradient.elements() / Math.max(1, samples * channels);
    for (long n = 0; n < samples; n++) {
      for (int c = 0; c < count; c++) {
        double sum = 0;
        double magnitude = 0;
        for (long t = 0; t < positions; t++) {
          long at = (n * positions + t) * channels + c;
          double term = (double) outputGradient.get(at) * normalised.get(at);
          sum += term;
          magnitude += Math.abs(term);
        }
        result.sum()[c] += sum * sum;
        result.magnitude()[c] += magnitude * magnitude;
      }
    }
    return result;
  }

  /** The embedding in float64 and plain Java. */
  static SquareGradients.Reference referenceEmbedding(
      MemorySegment tokens, Tensor outputGradient, long rows) {
    Shape shape = outputGradient.shape();
    int columns = Math.toIntExact(shape.size(2));
    int count = Math.toIntExact(rows * columns);
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[count], new double[count]);
    for (long n = 0; n < shape.size(0); n++) {
      double[] sum = new double[count];
      double[] magnitude = new double[count];
      for (long t = 0; t < shape.size(1); t++) {
        int token = tokens.getAtIndex(TOKEN, n * shape.size(1) + t);
        for (int c = 0; token != PADDING && c < columns; c++) {
          double term = outputGradient.get((n * shape.size(1) + t) * columns + c);
          sum[token * columns + c] += term;
          magnitude[token * columns + c] += Math.abs(term);
        }
      }
      for (int i = 0; i < count; i++) {
        result.sum()[i] += sum[i] * sum[i];
        result.magnitude()[i] += magnitude[i] * magnitude[i];
      }
    }
    return result;
  }
}
