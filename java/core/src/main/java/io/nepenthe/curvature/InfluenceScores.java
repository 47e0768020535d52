package io.nepenthe.curvature;

import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Influences of training examples on queries,
 *
 * <pre>
 *   raw         s[q, j] = ⟨H⁻¹∇f_q, ∇ℓ_j⟩        H the mean curvature of N examples
 *   perExample  s[q, j] / N ≈ f_q(without j) − f_q
 * </pre>
 *
 * <p>A positive score means that removing j raises f_q: for the loss, that j helps the query; for
 * the log-likelihood, that j harms it. It owns its memory.
 */
public final class InfluenceScores implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Tensor total;
  private final Map<String, Tensor> blocks = new LinkedHashMap<>();

  InfluenceScores(long queries, long examples, List<ParameterBlock> each) {
    Shape shape = Shape.of(queries, examples);
    this.total = Tensor.zeros(arena, shape);
    for (ParameterBlock block : each) {
      blocks.put(block.name(), Tensor.zeros(arena, shape));
    }
  }

  /** Raw scores, [queries, examples]; for self-influence [1, examples]. */
  public Tensor raw() {
    return total;
  }

  /** Raw scores of each block alone, where they were asked for. */
  public Map<String, Tensor> blocks() {
    return Collections.unmodifiableMap(blocks);
  }

  /** The predicted change of f_q when j is removed from N examples. */
  public double perExample(long query, long example, long of) {
    return (double) total.get(query * total.shape().size(1) + example) / of;
  }

  /** Whether a block's are kept alone as well. */
  boolean keeps(ParameterBlock block) {
    return blocks.containsKey(block.name());
  }

  /** Adds [q, n] scores of all blocks together for the examples from {@code first} on. */
  void add(long firstQuery, long first, Tensor scores) {
    add(total, firstQuery, first, scores);
  }

  /** Adds those of a block alone, which is kept. */
  void add(ParameterBlock block, long firstQuery, long first, Tensor scores) {
    add(blocks.get(block.name()), firstQuery, first, scores);
  }

  private static void add(Tensor to, long firstQuery, long first, Tensor scores) {
    long examples = to.shape().size(1);
    long n = scores.shape().size(1);
    for (long q = 0; q < scores.shape().size(0); q++) {
      long at = (firstQuery + q) * examples + first;
      for (long i = 0; i < n; i++) {
        to.set(at + i, to.get(at + i) + scores.get(q * n + i));
      }
    }
  }

  /** Takes what a file has: all modules, and each block's where they are kept. */
  void restore(
      SafetensorsFile from, Function<ParameterBlock, String> names, List<ParameterBlock> each) {
    copy(from, "all_modules", total);
    for (ParameterBlock block : each) {
      if (blocks.containsKey(block.name())) {
        copy(from, names.apply(block), blocks.get(block.name()));
      }
    }
  }

  private static void copy(SafetensorsFile from, String name, Tensor to) {
    try (Arena arena = Arena.ofConfined()) {
      to.copyFrom(from.tensor(name, to.shape(), arena));
    }
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
