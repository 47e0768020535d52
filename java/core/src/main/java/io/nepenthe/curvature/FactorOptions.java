package io.nepenthe.curvature;

import io.nepenthe.nn.Model;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * How Kronecker factors and their eigenvalues are computed.
 *
 * @param fisher whose labels: {@link Labels#SAMPLED} estimates the Fisher information from draws,
 *     {@link Labels#EXACT} sums over all, {@link Labels#TRUE} is the empirical Fisher
 * @param likelihood what the outputs mean
 * @param draws labels drawn for each sample, of SAMPLED
 * @param reduce false for "expand": every position that shares a weight counts on its own; true for
 *     "reduce": a sample's positions are pooled first (Eschenhagen et al. 2023)
 * @param jointBias whether a bias is one more column of its layer's weights, or a block of its own
 * @param batchSize samples at once; no result depends on it
 * @param seed of the draws: a draw depends on it, the sample's id and the draw's number only
 * @param layers the names of those whose curvature is wanted; all if there are none
 */
public record FactorOptions(
    Labels fisher,
    Likelihood likelihood,
    int draws,
    boolean reduce,
    boolean jointBias,
    int batchSize,
    long seed,
    Set<String> layers) {
  /** Checks the choices. */
  public FactorOptions {
    layers = Set.copyOf(layers);
    if (fisher == Labels.NONE) {
      throw new IllegalArgumentException("a Fisher information needs labels");
    }
    if (draws < 1 || batchSize < 1) {
      throw new IllegalArgumentException(
          "draws and batchSize must be positive, found " + draws + " and " + batchSize);
    }
  }

  /** One sampled label a sample, expand, joint bias, 64 at once. */
  public static FactorOptions defaults() {
    return new FactorOptions(
        Labels.SAMPLED, Likelihood.CATEGORICAL, 1, false, true, 64, 0, Set.of());
  }

  /** The same of another Fisher information. */
  public FactorOptions withFisher(Labels other) {
    return new FactorOptions(other, likelihood, draws, reduce, jointBias, batchSize, seed, layers);
  }

  /** The same for another likelihood. */
  public FactorOptions withLikelihood(Likelihood other) {
    return new FactorOptions(fisher, other, draws, reduce, jointBias, batchSize, seed, layers);
  }

  /** The same with this many draws. */
  public FactorOptions withDraws(int other) {
    return new FactorOptions(fisher, likelihood, other, reduce, jointBias, batchSize, seed, layers);
  }

  /** The same with pooled positions. */
  public FactorOptions withReduce() {
    return new FactorOptions(fisher, likelihood, draws, true, jointBias, batchSize, seed, layers);
  }

  /** The same with biases as blocks of their own. */
  public FactorOptions withSeparateBias() {
    return new FactorOptions(fisher, likelihood, draws, reduce, false, batchSize, seed, layers);
  }

  /** The same with another batch size. */
  public FactorOptions withBatchSize(int other) {
    return new FactorOptions(fisher, likelihood, draws, reduce, jointBias, other, seed, layers);
  }

  /** The same with another seed. */
  public FactorOptions withSeed(long other) {
    return new FactorOptions(
        fisher, likelihood, draws, reduce, jointBias, batchSize, other, layers);
  }

  /** The same of these layers alone. */
  public FactorOptions withLayers(Set<String> names) {
    return new FactorOptions(fisher, likelihood, draws, reduce, jointBias, batchSize, seed, names);
  }

  /** The passes' output gradients, in a word; empty where every statistic has draws of its own. */
  Optional<String> gradients() {
    String of = likelihood == Likelihood.CATEGORICAL ? "" : "-" + FactorStages.word(likelihood);
    return switch (fisher) {
      case TRUE -> Optional.of(Influence.LOSS + of);
      case EXACT -> Optional.of("exact" + of);
      case SAMPLED, NONE -> Optional.empty();
    };
  }

  /** The blocks of a model that are wanted. */
  List<ParameterBlock> blocks(Model model) {
    return ParameterBlock.of(model, jointBias).stream()
        .filter(block -> layers.isEmpty() || layers.contains(block.layer()))
        .toList();
  }
}
