package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The dot product of every query with every sample's own weight gradient,
 *
 * <pre>
 *   s[q, n]  =  Σ_{o,j} V[q, o, j] · Σₜ Gₙ[t, o] · Āₙ[t, j]
 * </pre>
 *
 * <p>with a constant 1 as the last feature of Ā where there is a bias. With V a preconditioned
 * query gradient it is the influence of example n on query q (Koh, Liang 2017; Grosse et al. 2023).
 * A tile of a sample's gradient meets all queries while it is in its core's cache, so that no
 * gradient reaches memory and the queries, packed in the order of the tiles, are read once for many
 * samples. On the processor a layer of one position forms none: s = Σ_o G[n, o] · (V[q, o, ·]·Ā[n,
 * ·]), the outputs whose G is 0 left out, which behind a ReLU are about half. So there 0 · ∞ is 0.
 *
 * <p>Where the queries are products V_q = Σᵣ l_qr r_qrᵀ (a low rank, or rank 1 for each output), G
 * first meets every l and A every r, and what is left is the factored form
 *
 * <pre>
 *   s[q, n]  =  Σₜ Σᵣ L[n, t, q, r] · R[n, t, q, r]
 * </pre>
 *
 * <p>Matrix-like: within {@code (T + 1600) · 2⁻²⁴ · Σ|terms|}, the factored form within {@code (r +
 * 8)}. The bits depend neither on threads nor on the batch. A CUDA device writes a chunk of
 * samples' gradients to its memory and multiplies them as a matrix: within {@code (T + O·J)}, and
 * the bits depend on the batch.
 */
public final class PairScores {
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_pair_scores_workspace", LONG, POINTER, INT, LONG, INT);
  private static final MethodHandle CPU =
      NativeLibrary.action(
          "nep_pair_scores", POINTER, POINTER, POINTER, INT, POINTER, LONG, POINTER, POINTER, INT);
  private static final MethodHandle PACKED =
      NativeLibrary.function("nep_pair_scores_packed", LONG, LONG, LONG, LONG, LONG, LONG);
  private static final MethodHandle PACK =
      NativeLibrary.action(
          "nep_pair_scores_pack", POINTER, LONG, LONG, LONG, LONG, LONG, POINTER, INT);
  private static final MethodHandle FACTORED =
      NativeLibrary.action(
          "nep_pair_scores_factored", POINTER, POINTER, LONG, LONG, LONG, LONG, POINTER, INT);

  private PairScores() {}

  /** The least bytes moved: all arguments once. */
  public static long bytes(SquareGradients.Size size, long queries, long inputElements) {
    return Float.BYTES
        * (inputElements
            + size.samples() * size.positions() * size.outputs()
            + queries * (size.outputs() * size.columns() + size.samples()));
  }

  /** The operations. */
  public static long flops(SquareGradients.Size size, long queries) {
    return 2 * size.samples() * size.outputs() * size.columns() * (size.positions() + queries);
  }

  /** Queries as they are. */
  static PackedQueries unpacked(long positions, int groups, Tensor queries) {
    Shape shape = queries.shape();
    if (shape.rank() != 3) {
      throw new IllegalArgumentException(
          "queries must be [queries, outputs, features], found " + shape);
    }
    return new PackedQueries(
        queries, shape.size(0), groups, positions == 1, shape.size(1), shape.size(2));
  }

  static PackedQueries pack(Arena arena, long positions, int groups, Tensor queries, int threads) {
    PackedQueries plain = unpacked(positions, groups, queries);
    Shape shape = queries.shape();
    long outputs = shape.size(1) / groups;
    try {
      long floats =
          (long)
              PACKED.invokeExact(shape.size(0), positions, (long) groups, outputs, shape.size(2));
      PackedQueries packed = plain.as(Tensor.zeros(arena, floats));
      PACK.invokeExact(
          queries.segment(),
          shape.size(0),
          positions,
          (long) groups,
          outputs,
          shape.size(2),
          packed.values().segment(),
          threads);
      return packed;
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void cpu(
      LayerGeometry geometry,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores,
      Workspace workspace,
      int threads) {
    long count = check(geometry, input, outputGradient, bias, queries, scores);
    if (input.elements() == 0 || outputGradient.elements() == 0 || count == 0) {
      scores.clear();
      return;
    }
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment sizes = geometry.reserve(turn, 0);
      long needed = (long) WORKSPACE.invokeExact(sizes, bias ? 1 : 0, count, threads);
      MemorySegment block = geometry.reserve(turn, needed);
      CPU.invokeExact(
          input.segment(),
          outputGradient.segment(),
          block,
          bias ? 1 : 0,
          queries.values().segment(),
          count,
          scores.segment(),
          turn.after(LayerGeometry.BYTES),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void cpuFactored(Tensor left, Tensor right, Tensor scores, int threads) {
    Shape shape = checkFactored(left, right, scores);
    try {
      FACTORED.invokeExact(
          left.segment(),
          right.segment(),
          shape.size(0),
          shape.size(1),
          shape.size(2),
          shape.size(3),
          scores.segment(),
          threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** Returns how many queries there are. */
  static long check(
      LayerGeometry geometry,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores) {
    long count = queries.count();
    if (queries.groups() != geometry.convolution().groups()
        || queries.outputs() != geometry.outputs()
        || queries.features() != geometry.features(bias)
        || queries.onePosition() != (geometry.positions() == 1)) {
      throw new IllegalArgumentException(
          "queries must each have the "
              + geometry.outputs()
              + " × "
              + geometry.features(bias)
              + " weights in "
              + geometry.convolution().groups()
              + " groups for "
              + (geometry.positions() == 1 ? "one position" : "several positions")
              + ", found "
              + queries.outputs()
              + " × "
              + queries.features()
              + " in "
              + queries.groups()
              + " for "
              + (queries.onePosition() ? "one" : "several"));
    }
    SelfScores.checkScores(
        scores, Shape.of(count, geometry.samples()), input, outputGradient, queries.values());
    return count;
  }

  /** Returns the shape of both factors. */
  static Shape checkFactored(Tensor left, Tensor right, Tensor scores) {
    Shape shape = left.shape();
    if (shape.rank() != 4) {
      throw new IllegalArgumentException(
          "left must be [samples, positions, queries, rank], found " + shape);
    }
    Checks.shape("right", right, shape);
    SelfScores.checkScores(scores, Shape.of(shape.size(2), shape.size(0)), left, right, right);
    return shape;
  }

  /** The same in float64 and plain Java, from every sample's gradient and its magnitude. */
  static SquareGradients.Reference reference(
      SquareGradients.Reference gradients, Tensor queries, int count, int samples) {
    SquareGradients.Reference result =
        new SquareGradients.Reference(new double[count * samples], new double[count * samples]);
    int size = gradients.sum().length / Math.max(1, samples);
    for (int q = 0; q < count; q++) {
      for (int at = 0; at < samples * size; at++) {
        double value = queries.get((long) q * size + at % size);
        result.sum()[q * samples + at / size] += value * gradients.sum()[at];
        result.magnitude()[q * samples + at / size] += Math.abs(value) * gradients.magnitude()[at];
      }
    }
    return result;
  }

  /** The documented bound's factor of 2⁻²⁴ · Σ|terms|. */
  static double steps(long positions) {
    return positions + 1600;
  }
}
