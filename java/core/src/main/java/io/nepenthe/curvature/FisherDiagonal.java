package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import java.lang.foreign.Arena;

/**
 * The diagonal of the Fisher information, or an importance used in its place: for every parameter
 * the mean over a data set of a sample's squared gradient. Computed once for a model and a data
 * set, it serves every later request: {@link #union} gives the one of two sets together.
 *
 * <p>The gradients are those of the loss, with frozen batch-normalisation statistics and no
 * dropout; pixels are not augmented. It owns its memory.
 */
public final class FisherDiagonal implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Parameters values;
  private final long samples;
  private final Options options;

  /**
   * How it is computed.
   *
   * @param labels whose labels
   * @param weighting how much each sample counts
   * @param batchSize samples at once; with {@code batchSquared} part of the definition, otherwise
   *     only of the cost: a device takes more where that keeps it busy
   * @param batchSquared false for (1/n) Σ gₙ∘², the definition; true for the square of each batch's
   *     mean gradient, averaged over batches, as the reference implementation of SSD computes it:
   *     about batchSize times smaller for noise-like gradients, and dependent on the order
   * @param seed of {@link Labels#SAMPLED}
   */
  public record Options(
      Labels labels, Weighting weighting, int batchSize, boolean batchSquared, long seed) {
    /** Checks the batch size. */
    public Options {
      if (batchSize < 1) {
        throw new IllegalArgumentException("batchSize must be positive, found " + batchSize);
      }
    }

    /** Per sample, true labels, loss gradients, 64 at once. */
    public static Options defaults() {
      return new Options(Labels.TRUE, Weighting.LOSS, 64, false, 0);
    }

    /** The same with other labels. */
    public Options withLabels(Labels other) {
      return new Options(other, weighting, batchSize, batchSquared, seed);
    }

    /** The same with another weighting. */
    public Options withWeighting(Weighting other) {
      return new Options(labels, other, batchSize, batchSquared, seed);
    }

    /** The same with another batch size. */
    public Options withBatchSize(int size) {
      return new Options(labels, weighting, size, batchSquared, seed);
    }

    /** The same by the square of batch means. */
    public Options withBatchSquared() {
      return new Options(labels, weighting, batchSize, true, seed);
    }

    /** The same with another seed. */
    public Options withSeed(long other) {
      return new Options(labels, weighting, batchSize, batchSquared, other);
    }
  }

  private FisherDiagonal(Parameters like, long samples, Options options) {
    this.values = like.zerosLike(arena);
    this.samples = samples;
    this.options = options;
  }

  /**
   * Computes that of the cross-entropy in one pass over the data.
   *
   * @see #of(Model, Backend, Dataset, Normalisation, Loss, Options, Progress)
   */
  public static FisherDiagonal of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    return of(model, backend, data, normalisation, new CrossEntropy(), options, progress);
  }

  /**
   * Computes it in one pass over the data.
   *
   * <p>A squared distance is a Gaussian's −log p: of a regression's (z − t)², of variance ½, the
   * Fisher information itself ({@link Labels#EXACT}) is 2 (∂z/∂θ)², whatever the target.
   *
   * @param model whose parameters; it is not changed
   * @param data at least one sample, of the model's input size
   * @param normalisation applied to the pixels
   * @param loss that the model was trained with
   * @param progress told after every batch, in samples
   * @throws IllegalArgumentException if there are no samples, or they do not fit the model
   */
  public static FisherDiagonal of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Loss loss,
      Options options,
      Progress progress) {
    FisherDiagonal result = new FisherDiagonal(model.parameters(), data.size(), options);
    try (FisherPass pass = new FisherPass(model, backend, data, normalisation, loss, options)) {
      pass.run(progress, result.values);
      return result;
    } catch (RuntimeException e) {
      result.close();
      throw e;
    }
  }

  /** The mean over the samples, under the parameters' names. */
  public Parameters values() {
    return values;
  }

  /** The samples that it is the mean over. */
  public long samples() {
    return samples;
  }

  /** How it was computed. */
  public Options options() {
    return options;
  }

  /**
   * That of two disjoint data sets together, n·I = n₁·I₁ + n₂·I₂, with no further pass over the
   * data.
   *
   * @throws IllegalArgumentException if they are not of the same parameters, or were computed
   *     differently
   */
  public FisherDiagonal union(FisherDiagonal other) {
    if (!values.specs().equals(other.values.specs())) {
      throw new IllegalArgumentException("the two are of different parameters");
    }
    if (options.labels != other.options.labels
        || options.weighting != other.options.weighting
        || options.batchSquared
        || other.options.batchSquared) {
      throw new IllegalArgumentException(
          "only per-sample importances of the same labels add up, found "
              + options
              + " and "
              + other.options);
    }
    FisherDiagonal result = new FisherDiagonal(values, samples + other.samples, options);
    double share = (double) samples / result.samples;
    for (long j = 0; j < values.count(); j++) {
      double mean = share * values.flat().get(j) + (1 - share) * other.values.flat().get(j);
      result.values.flat().set(j, (float) mean);
    }
    return result;
  }

  /** The sum of all values: the mean squared gradient norm. */
  public double trace() {
    double sum = 0;
    for (long j = 0; j < values.count(); j++) {
      sum += values.flat().get(j);
    }
    return sum;
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
