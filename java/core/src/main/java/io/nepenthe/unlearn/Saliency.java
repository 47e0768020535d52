package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.LossSum;
import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.ResidentModel;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * How salient every weight is to a data set: |Σ ∇ℓ| over its samples under their true labels (Fan,
 * Liu, Zhang, Wong, Wei, Liu: "SalUn", ICLR 2024, equation 4). Running statistics are frozen,
 * pixels not augmented; a sum over samples, so that a short last batch counts as the others do. It
 * owns its memory.
 */
public final class Saliency implements AutoCloseable {
  private static final int BATCH = 128;

  private final Arena arena = Arena.ofShared();
  private final Backend backend;
  private final Parameters values;

  private Saliency(Model model, Backend backend) {
    this.backend = backend;
    this.values = model.parameters().zerosLike(arena);
  }

  /**
   * Computes it in one pass.
   *
   * @param loss for instance {@link CrossEntropy}
   * @param progress told after every batch, in samples
   */
  public static Saliency of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Loss loss,
      Progress progress) {
    Saliency saliency = new Saliency(model, backend);
    Objective.Batch batch = new Objective.Batch(BATCH);
    Batches batches = Batches.inOrder(data, BATCH);
    try (Arena sums = Arena.ofConfined();
        ResidentModel resident = new ResidentModel(model, backend);
        Execution execution = new Execution(resident.here(), backend, BATCH, Mode.FROZEN);
        GradientAccumulator gradient = GradientAccumulator.resident(resident.here(), backend)) {
      LossTerm term = new LossTerm(1, 0, LossSum.zero(sums, backend));
      long done = 0;
      for (long b = 0; b < batches.count(); b++) {
        int n = execution.load(batches, b, batch.labels(), batch.ids(), normalisation);
        execution.pass(n);
        execution.backward(
            (output, start) ->
                loss.evaluate(backend.objectives(), output, batch.labels(), term, start),
            gradient);
        done += n;
        progress.report(done, data.size());
      }
      saliency.values.flat().copyFrom(gradient.gradient().flat());
      return saliency;
    } catch (RuntimeException e) {
      saliency.close();
      throw e;
    }
  }

  /** Σ ∇ℓ, with its sign, under the parameters' names. */
  public Parameters values() {
    return values;
  }

  /**
   * For each ratio ρ a mask of the ⌊ρP⌋ most salient of all P weights, ranked together; of equals
   * the first.
   *
   * @param arena where the masks live; each has one tensor, of the flat parameters
   * @throws IllegalArgumentException if a ratio is not from 0 to 1, or a gradient is NaN
   */
  public MaskStack masks(Arena arena, double... ratios) {
    MaskStack masks = MaskStack.zeros(arena, ratios.length, List.of(values.flat().shape()));
    backend.selectTop(List.of(values.flat()), masks, ratios);
    return masks;
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
