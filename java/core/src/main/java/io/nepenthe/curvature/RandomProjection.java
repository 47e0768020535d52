package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Random projections of the examples' gradients to few dimensions, which keep distances and dot
 * products (Johnson, Lindenstrauss 1984; signs: Achlioptas, "Database-friendly random projections",
 * 2003; of gradients: Park et al., "TRAK: attributing model behavior at scale", 2023):
 *
 * <pre>
 *   φ_j = R ∇ℓ_j / √k,   R of k rows of random signs,   E ‖φ_i − φ_j‖² = ‖∇ℓ_i − ∇ℓ_j‖²
 * </pre>
 *
 * <p>with relative variance at most 2/k. The sign of a row and a parameter is a bit of {@link
 * io.nepenthe.kernel.Philox} with the seed as key, the row as stream, so that it depends on nothing
 * else. No gradient is formed: the rows are queries, and φ their scores.
 */
public final class RandomProjection {
  private static final int COUNTER_BITS = 128;

  private RandomProjection() {}

  /**
   * Projects the gradient of every example's loss, in one pass over the data for each group of rows
   * that fits {@link Influence.Options#queryBytes}.
   *
   * @param arena where the result lives
   * @param dimensions k
   * @param progress told after every batch, in examples over all passes
   * @return φ, [k, examples]
   * @throws IllegalArgumentException if k is not positive
   */
  public static Tensor of(
      Arena arena,
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      long dimensions,
      long seed,
      Influence.Options options,
      Progress progress) {
    if (dimensions < 1) {
      throw new IllegalArgumentException("dimensions must be positive, found " + dimensions);
    }
    List<ParameterBlock> blocks = ParameterBlock.of(model, true);
    Tensor projected = Tensor.zeros(arena, dimensions, data.size());
    long group = options.queriesAtOnce(model, dimensions);
    long passes = Math.ceilDiv(dimensions, group);
    float scale = (float) (1 / Math.sqrt(dimensions));
    for (long pass = 0; pass < passes; pass++) {
      long first = pass * group;
      long rows = Math.min(group, dimensions - first);
      long before = pass * data.size();
      try (Queries signs = signs(backend, blocks, first, rows, seed);
          InfluenceScores scores =
              Influence.pairwise(
                  model,
                  backend,
                  signs,
                  data,
                  normalisation,
                  options,
                  (done, total) -> progress.report(before + done, passes * total))) {
        Tensor part = projected.slice(first * data.size(), Shape.of(rows, data.size()));
        for (long i = 0; i < part.elements(); i++) {
          part.set(i, scale * scores.raw().get(i));
        }
      }
    }
    return projected;
  }

  /** Some rows of R, 1 and −1. */
  static Queries signs(
      Backend backend, List<ParameterBlock> blocks, long first, long rows, long seed) {
    Queries signs = new Queries(blocks, rows);
    long counter = 0;
    for (ParameterBlock block : blocks) {
      long counters = Math.ceilDiv(block.size(), COUNTER_BITS);
      try (Arena scratch = Arena.ofConfined()) {
        MemorySegment words = scratch.allocate(counters * COUNTER_BITS / Byte.SIZE, Long.BYTES);
        Tensor values = signs.values(block);
        for (long row = 0; row < rows; row++) {
          backend.perSample().philox(words, seed, first + row, counter);
          for (long i = 0; i < block.size(); i++) {
            long word = words.getAtIndex(ValueLayout.JAVA_LONG, i / Long.SIZE);
            values.set(row * block.size() + i, 1 - 2 * (word >>> i & 1));
          }
        }
      }
      counter += counters;
    }
    return signs;
  }
}
