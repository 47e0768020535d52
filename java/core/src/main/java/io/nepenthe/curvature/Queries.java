package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.PackedQueries;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The preconditioned gradients H⁻¹∇f_q of some queries: what training examples' gradients are
 * multiplied by. They take 4 bytes a query and parameter, and as many again once they are used. It
 * owns its memory.
 */
public final class Queries implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final List<ParameterBlock> blocks;
  private final Map<String, Tensor> values = new LinkedHashMap<>();
  private final Map<Use, PackedQueries> packed = new HashMap<>();
  private final Map<String, LowRank> factors = new HashMap<>();
  private final long count;

  private record Use(String block, boolean onePosition) {}

  /** Zeros. */
  Queries(List<ParameterBlock> blocks, long count) {
    this.blocks = blocks;
    this.count = count;
    for (ParameterBlock block : blocks) {
      Shape shape = EkFac.shape(block);
      values.put(block.name(), Tensor.zeros(arena, count, shape.size(0), shape.size(1)));
    }
  }

  /**
   * Computes them in one pass over the queries.
   *
   * @param queries whose labels are those that {@code measurement} takes
   * @param measurement f
   * @param batchSize queries at once; no result depends on it
   */
  public static Queries of(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      Dataset queries,
      Normalisation normalisation,
      Measurement measurement,
      int batchSize,
      Progress progress) {
    Queries result = new Queries(inverse.blocks(), queries.size());
    try {
      result.gradients(model, backend, queries, normalisation, measurement, batchSize, progress);
      // The pass has ended and its memory is free.
      result.precondition(backend, inverse);
      return result;
    } catch (RuntimeException e) {
      result.close();
      throw e;
    }
  }

  private void gradients(
      Model model,
      Backend backend,
      Dataset queries,
      Normalisation normalisation,
      Measurement measurement,
      int batchSize,
      Progress progress) {
    try (SamplePass pass = new SamplePass(model, backend, queries, normalisation, batchSize);
        SampleBlockGradients writer = new SampleBlockGradients(backend, blocks, values)) {
      OutputGradients gradients =
          new OutputGradients(
              Likelihood.CATEGORICAL, Math.toIntExact(model.network().output().elements()));
      pass.run(
          progress,
          (execution, first, outputs, labels, ids) -> {
            Tensor out = execution.outputGradient();
            for (int n = 0; n < outputs.shape().size(0); n++) {
              measurement.gradient(gradients, outputs, n, labels[n], out);
            }
            writer.first(first);
            execution.backward(out, writer);
          });
    }
  }

  /** Queries whose gradients the caller gives, [count, O, columns] by block name; copied. */
  static Queries of(Backend backend, InverseCurvature inverse, Map<String, Tensor> gradients) {
    long count = gradients.values().iterator().next().shape().size(0);
    Queries result = new Queries(inverse.blocks(), count);
    result.values.forEach((name, value) -> value.copyFrom(gradients.get(name)));
    result.precondition(backend, inverse);
    return result;
  }

  private void precondition(Backend backend, InverseCurvature inverse) {
    for (ParameterBlock block : blocks) {
      inverse.apply(backend, block, values.get(block.name()));
    }
  }

  /**
   * The nearest queries of a rank: where a block's smaller side is larger, every query is cut off
   * after that many singular values. Scores then cost 2QT·r(O + I) operations an example, not 2(T +
   * Q)·OI (Grosse et al. 2023, section 3.2.2, "query batching").
   *
   * @param rank of 16 to 256, as a rule; above a block's smaller side its queries stay as they are
   */
  public Queries lowRank(int rank) {
    if (rank < 1) {
      throw new IllegalArgumentException("the rank must be positive, found " + rank);
    }
    Queries result = new Queries(blocks, count);
    for (ParameterBlock block : blocks) {
      Tensor own = values.get(block.name());
      Tensor into = result.values.get(block.name());
      if (isCut(block, rank)) {
        LowRank low = LowRank.of(result.arena, own, rank);
        low.write(into);
        result.factors.put(block.name(), low);
      } else {
        into.copyFrom(own);
      }
    }
    return result;
  }

  /** Whether queries of a rank, 0 for all, are others than those of all ranks. */
  static boolean isCut(ParameterBlock block, int rank) {
    return rank > 0
        && !block.isDiagonal()
        && block.groups() == 1
        && Math.min(block.outputs(), block.columns()) > rank;
  }

  /** {@link #lowRank}, or, of rank 0, these. */
  Queries ofRank(int rank) {
    return rank == 0 ? this : lowRank(rank);
  }

  /** The factors of a block's queries, where they are of low rank. */
  Optional<LowRank> factors(ParameterBlock block) {
    return Optional.ofNullable(factors.get(block.name()));
  }

  /** One query in place of all: their sum, and so the influence on the sum of their f. */
  public Queries sum() {
    Queries result = new Queries(blocks, 1);
    values.forEach(
        (name, value) -> {
          Tensor into = result.values.get(name);
          long size = into.elements();
          for (long i = 0; i < size; i++) {
            double total = 0;
            for (long q = 0; q < count; q++) {
              total += value.get(q * size + i);
            }
            into.set(i, (float) total);
          }
        });
    return result;
  }

  /** How many. */
  public long count() {
    return count;
  }

  /** The blocks, in node order. */
  public List<ParameterBlock> blocks() {
    return blocks;
  }

  /** H⁻¹∇f of a block, [count, O, columns], or [count, 2, channels] of a normalisation. */
  public Tensor values(ParameterBlock block) {
    return values.get(block.name());
  }

  /**
   * The same as the kernels take them, packed at the first call: [count, 1, 2·channels] of a
   * normalisation.
   *
   * @param positions of the layer whose gradients they meet
   */
  PackedQueries packed(Backend backend, ParameterBlock block, long positions) {
    return packed.computeIfAbsent(
        new Use(block.name(), positions == 1),
        use -> {
          Tensor own = values.get(block.name());
          Tensor rows = block.isDiagonal() ? own.reshape(Shape.of(count, 1, block.size())) : own;
          return backend.perSample().packQueries(arena, positions, block.groups(), rows);
        });
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
