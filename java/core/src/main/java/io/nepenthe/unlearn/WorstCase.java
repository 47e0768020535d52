package io.nepenthe.unlearn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.LossSum;
import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Losses;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Chooses the m samples that are hardest to forget (or easiest): those whose loss stays low after
 * unlearning (Fan, Liu, Hero, Liu: "Challenging forgets: Unveiling the worst-case forget sets in
 * machine unlearning", ECCV 2024). Weights w ∈ [0, 1]ⁿ with Σw = m; in every round
 *
 * <pre>
 *   θ_u ← θ₀, then unlearnEpochs passes of  θ_u ← θ_u − rate·sign(∇ Σ_i (1 − w_i) ℓ_i)
 *   w   ← Π(w − weightRate·(ℓ(θ_u) + 2γw))      Π projects on the capped simplex
 * </pre>
 *
 * <p>Running statistics stay frozen and nothing is augmented, in both levels. The choice is the m
 * largest weights; of equals the one with the smaller loss (larger for the easiest), then the
 * first.
 *
 * @param samples m
 * @param rounds of the upper level
 * @param unlearnEpochs passes of the lower level
 * @param rate of the lower level
 * @param weightRate of the upper level
 * @param gamma γ
 * @param easiest whether to choose the easiest instead
 * @param batchSize of the lower level
 * @param seed of the order of the batches
 */
public record WorstCase(
    int samples,
    int rounds,
    int unlearnEpochs,
    double rate,
    double weightRate,
    double gamma,
    boolean easiest,
    int batchSize,
    long seed) {
  /** Checks the numbers. */
  public WorstCase {
    if (samples < 1 || rounds < 1 || unlearnEpochs < 1 || batchSize < 1) {
      throw new IllegalArgumentException(
          "samples, rounds, unlearnEpochs and batchSize must be positive");
    }
  }

  /**
   * 10 rounds of 10 epochs at 0.01, weight rate 0.01, γ = 0, batches of 256: the defaults of the
   * authors' code.
   *
   * @param samples m
   */
  public static WorstCase published(int samples, long seed) {
    return new WorstCase(samples, 10, 10, 0.01, 0.01, 0, false, 256, seed);
  }

  /**
   * What was found.
   *
   * @param ids of the m chosen samples, ascending
   * @param weights w, in the data set's order
   * @param losses after the last unlearning, in the data set's order
   */
  public record Chosen(long[] ids, double[] weights, double[] losses) {
    /** Copies the arrays. */
    public Chosen {
      ids = ids.clone();
      weights = weights.clone();
      losses = losses.clone();
    }

    /** A copy of the ids. */
    @Override
    public long[] ids() {
      return ids.clone();
    }

    /** A copy of the weights. */
    @Override
    public double[] weights() {
      return weights.clone();
    }

    /** A copy of the losses. */
    @Override
    public double[] losses() {
      return losses.clone();
    }
  }

  /**
   * Chooses.
   *
   * @param model trained on the data; it is not changed
   * @throws IllegalArgumentException if there are not more samples than m
   */
  public Chosen choose(
      Model model, Backend backend, Dataset data, Normalisation normalisation, Listener listener) {
    int n = Math.toIntExact(data.size());
    if (samples >= n) {
      throw new IllegalArgumentException(samples + " of " + n + " samples are no choice");
    }
    double[] weights = new double[n];
    Arrays.fill(weights, (double) samples / n);
    double[] losses = new double[n];
    Batches inOrder = Batches.inOrder(data, batchSize);
    try (Arena arena = Arena.ofConfined();
        Model unlearned = model.copyTo(backend);
        Execution execution = new Execution(unlearned, backend, inOrder.batchSize(), Mode.FROZEN);
        GradientAccumulator gradient = GradientAccumulator.resident(unlearned, backend)) {
      Level level = new Level(arena, backend, execution, gradient, inOrder, normalisation);
      for (int round = 0; round < rounds; round++) {
        unlearned.copyFrom(model);
        for (int epoch = 0; epoch < unlearnEpochs; epoch++) {
          level.descend(Batches.shuffled(data, batchSize, seed, epoch), weights);
          listener.report("search", (long) round * unlearnEpochs + epoch + 1, total());
        }
        level.losses(losses);
        for (int i = 0; i < n; i++) {
          double slope = (easiest ? -losses[i] : losses[i]) + 2 * gamma * weights[i];
          weights[i] -= weightRate * slope;
        }
        CappedSimplex.project(weights, samples);
      }
    }
    return new Chosen(largest(data, weights, losses), weights, losses);
  }

  private long total() {
    return (long) rounds * unlearnEpochs;
  }

  private long[] largest(Dataset data, double[] weights, double[] losses) {
    Comparator<Integer> order =
        Comparator.comparingDouble((Integer i) -> -weights[i])
            .thenComparingDouble(i -> easiest ? -losses[i] : losses[i])
            .thenComparingInt(i -> i);
    return IntStream.range(0, weights.length)
        .boxed()
        .sorted(order)
        .limit(samples)
        .mapToLong(i -> data.id(i))
        .sorted()
        .toArray();
  }

  /**
   * The lower level: signs of weighted gradients, and losses, all with frozen statistics. On a
   * device weights, gradients and outputs stay there; outputs come to the host once a round.
   */
  private final class Level {
    private final Backend backend;
    private final Execution execution;
    private final GradientAccumulator gradient;
    private final Batches inOrder;
    private final Normalisation normalisation;
    private final Objective.Batch batch;
    private final float[] batchWeights;
    private final LossTerm term;
    private final Tensor outputs;
    private final Tensor outputsHere;
    private final int[] labels;
    private final Map<Long, Integer> positions = new HashMap<>();

    Level(
        Arena arena,
        Backend backend,
        Execution execution,
        GradientAccumulator gradient,
        Batches inOrder,
        Normalisation normalisation) {
      Dataset data = inOrder.dataset();
      int n = Math.toIntExact(data.size());
      this.backend = backend;
      this.execution = execution;
      this.gradient = gradient;
      this.inOrder = inOrder;
      this.normalisation = normalisation;
      this.batch = new Objective.Batch(inOrder.batchSize());
      this.batchWeights = new float[inOrder.batchSize()];
      this.term = new LossTerm(1, 1, LossSum.zero(arena, backend));
      Shape shape = Shape.of(n, execution.model().network().output().elements());
      this.outputs = backend.zeros(arena, shape);
      this.outputsHere = outputs.onHost() ? outputs : Tensor.zeros(arena, shape);
      this.labels = IntStream.range(0, n).map(data::label).toArray();
      for (int i = 0; i < n; i++) {
        positions.put(data.id(i), i);
      }
    }

    void descend(Batches batches, double[] weights) {
      for (long b = 0; b < batches.count(); b++) {
        int n = execution.load(batches, b, batch.labels(), batch.ids(), normalisation);
        for (int i = 0; i < n; i++) {
          batchWeights[i] = (float) (1 - weights[positions.get(batch.ids()[i])]);
        }
        execution.pass(n);
        gradient.clear();
        execution.backward(
            (output, start) ->
                backend
                    .objectives()
                    .crossEntropy(output, batch.labels(), batchWeights, term, start),
            gradient);
        Tensor theta = execution.model().parameters().flat();
        backend.addSigns(theta, gradient.gradient().flat(), (float) -rate);
      }
    }

    void losses(double[] out) {
      for (long b = 0; b < inOrder.count(); b++) {
        int n = execution.load(inOrder, b, batch.labels(), batch.ids(), normalisation);
        execution.pass(n);
        long classes = outputs.shape().size(1);
        execution.copyOutput(
            outputs.slice(b * inOrder.batchSize() * classes, Shape.of(n, classes)));
      }
      if (!outputs.onHost()) {
        outputsHere.copyFrom(outputs);
      }
      Losses.crossEntropy(outputsHere, labels, out, outputsHere);
    }
  }
}
