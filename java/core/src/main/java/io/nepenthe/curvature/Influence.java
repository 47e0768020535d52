package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;

/**
 * Influence functions (Hampel 1974; Koh, Liang 2017): how a query's measurement f would change if a
 * training example were left out, to first order in its weight and with a damped approximation of
 * the curvature (Grosse et al. 2023). {@link InfluenceScores} says what sign and scale mean.
 */
public final class Influence {
  /** The gradients of the true labels' cross-entropies, for {@link Activations}. */
  static final String LOSS = "loss";

  private Influence() {}

  /**
   * How scores are computed; but for the rank of queries, none of it changes them.
   *
   * @param batchSize training examples at once
   * @param perBlock whether the scores of each block are kept as well
   * @param queryBytes the memory for preconditioned queries; more of them take more passes over the
   *     training data
   * @param route of pairwise scores, where a block has it; by default {@link ScoreRoute#ofRank}
   * @param queryRank that of {@link Queries#lowRank}, which does change scores; 0 for all
   * @param activations where passes over the training data keep them for later ones; the caller's
   */
  public record Options(
      int batchSize,
      boolean perBlock,
      long queryBytes,
      Optional<ScoreRoute> route,
      int queryRank,
      Activations activations) {
    /** Checks the sizes. */
    public Options {
      if (batchSize < 1 || queryBytes < 1 || queryRank < 0) {
        throw new IllegalArgumentException(
            "batchSize and queryBytes must be positive and queryRank not negative, found "
                + batchSize
                + ", "
                + queryBytes
                + ", "
                + queryRank);
      }
    }

    /** By the usual routes. */
    public Options(int batchSize, boolean perBlock, long queryBytes) {
      this(batchSize, perBlock, queryBytes, Optional.empty(), 0, Activations.none());
    }

    /** 64 at once, no scores by block, queries of up to a gigabyte. */
    public static Options defaults() {
      return new Options(64, false, 1L << 30);
    }

    /** The same with another batch size. */
    public Options withBatchSize(int other) {
      return new Options(other, perBlock, queryBytes, route, queryRank, activations);
    }

    /** The same with scores by block. */
    public Options withBlocks() {
      return new Options(batchSize, true, queryBytes, route, queryRank, activations);
    }

    /** The same with this much memory for queries. */
    public Options withQueryBytes(long bytes) {
      return new Options(batchSize, perBlock, bytes, route, queryRank, activations);
    }

    /** The same with queries of this rank, or 0 for all of them. */
    public Options withQueryRank(int rank) {
      return new Options(batchSize, perBlock, queryBytes, route, rank, activations);
    }

    /** How many queries of so many the memory for them holds; at least one. */
    public long queriesAtOnce(Model model, long queries) {
      return Math.clamp(
          queryBytes / (model.parameters().count() * Float.BYTES), 1, Math.max(1, queries));
    }

    /** The same by this route. */
    public Options withRoute(ScoreRoute other) {
      return new Options(
          batchSize, perBlock, queryBytes, Optional.of(other), queryRank, activations);
    }

    /** The same with passes that keep their activations there. */
    public Options withActivations(Activations other) {
      return new Options(batchSize, perBlock, queryBytes, route, queryRank, other);
    }
  }

  /**
   * The influence of every training example on every query: one pass over the queries and, for each
   * group of queries that fits the memory, one over the training data.
   *
   * @param progress told after every batch of training data, in examples over all passes
   */
  public static InfluenceScores pairwise(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      Dataset queries,
      Measurement measurement,
      Dataset training,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    long group = options.queriesAtOnce(model, queries.size());
    long groups = Math.ceilDiv(queries.size(), group);
    InfluenceScores scores =
        new InfluenceScores(
            queries.size(), training.size(), options.perBlock ? inverse.blocks() : List.of());
    try {
      for (long g = 0; g < groups; g++) {
        long first = g * group;
        Dataset part =
            groups == 1
                ? queries
                : Subset.range(queries, first, Math.min(queries.size(), first + group) - 1);
        long before = g * training.size();
        try (Queries own =
                Queries.of(
                    model,
                    backend,
                    inverse,
                    part,
                    normalisation,
                    measurement,
                    options.batchSize,
                    Progress.NONE);
            Queries used = own.ofRank(options.queryRank)) {
          add(
              scores,
              first,
              model,
              backend,
              used,
              training,
              normalisation,
              options,
              (done, total) -> progress.report(before + done, groups * total));
        }
      }
      return scores;
    } catch (RuntimeException e) {
      scores.close();
      throw e;
    }
  }

  /** The influence of every training example on queries that were preconditioned before. */
  public static InfluenceScores pairwise(
      Model model,
      Backend backend,
      Queries queries,
      Dataset training,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    InfluenceScores scores =
        new InfluenceScores(
            queries.count(), training.size(), options.perBlock ? queries.blocks() : List.of());
    try {
      add(scores, 0, model, backend, queries, training, normalisation, options, progress);
      return scores;
    } catch (RuntimeException e) {
      scores.close();
      throw e;
    }
  }

  private static void add(
      InfluenceScores scores,
      long firstQuery,
      Model model,
      Backend backend,
      Queries queries,
      Dataset training,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    try (PairScorer scorer = new PairScorer(backend, queries, scores, firstQuery, options.route);
        GradientPasses passes =
            losses(model, backend, queries.blocks(), training, normalisation, options)) {
      passes.run(0, training.size(), progress, scorer::visiting);
    }
  }

  /**
   * The influence of every position of every training example in one block, of a layer that is used
   * once and has no groups. They sum to the block's scores.
   *
   * @param block its name
   * @return [queries, examples, positions] in {@code arena}
   * @throws IllegalArgumentException if there is no such block with positions
   */
  public static Tensor perPosition(
      Arena arena,
      Model model,
      Backend backend,
      Queries queries,
      String block,
      Dataset training,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    ParameterBlock wanted =
        queries.blocks().stream()
            .filter(one -> one.name().equals(block) && !one.isDiagonal() && one.groups() == 1)
            .filter(one -> model.layers().stream().filter(one::isOf).count() == 1)
            .findFirst()
            .orElseThrow(
                () -> new IllegalArgumentException("no scores by position of block " + block));
    long positions = wanted.positions(model);
    Tensor out = Tensor.zeros(arena, queries.count(), training.size(), positions);
    try (ProjectedQueries projected =
            new ProjectedQueries(backend, wanted, queries.values(wanted));
        Ones ones = new Ones(backend)) {
      losses(
          model,
          backend,
          training,
          normalisation,
          options.batchSize,
          progress,
          (first, n) ->
              (layer, input, outputGradient) -> {
                if (wanted.isOf(layer)) {
                  Tensor gradient = ParameterBlock.image(outputGradient);
                  try (Arena scratch = Arena.ofConfined()) {
                    Tensor some = Tensor.zeros(scratch, queries.count(), n, positions);
                    projected.positions(ones.inputOf(wanted, input, gradient), gradient, some);
                    Shape part = Shape.of(n * positions);
                    for (long q = 0; q < queries.count(); q++) {
                      out.slice((q * training.size() + first) * positions, part)
                          .copyFrom(some.slice(q * n * positions, part));
                    }
                  }
                }
              });
    }
    return out;
  }

  /**
   * Every training example's influence on its own loss, ⟨H⁻¹∇ℓ_j, ∇ℓ_j⟩ ≥ 0: in the eigenbasis a
   * weighted square norm, which one rotation gives.
   */
  public static InfluenceScores self(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      Dataset training,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    InfluenceScores scores =
        new InfluenceScores(1, training.size(), options.perBlock ? inverse.blocks() : List.of());
    try (SelfScorer scorer = new SelfScorer(backend, inverse, scores);
        GradientPasses passes =
            losses(model, backend, inverse.blocks(), training, normalisation, options)) {
      passes.run(0, training.size(), progress, scorer::visiting);
      return scores;
    } catch (RuntimeException e) {
      scores.close();
      throw e;
    }
  }

  /**
   * The influence of all training examples together on each query, ⟨H⁻¹∇f_q, Σⱼ∇ℓ_j⟩: no gradient
   * of a single example is formed.
   *
   * @return one raw score a query
   */
  public static double[] aggregated(
      Model model,
      Backend backend,
      Queries queries,
      Dataset training,
      Normalisation normalisation,
      int batchSize,
      Progress progress) {
    double[] scores = new double[Math.toIntExact(queries.count())];
    try (Arena arena = Arena.ofConfined()) {
      Parameters gradient = model.parameters().zerosLike(arena);
      SummedGradient.of(model, backend, training, normalisation, batchSize, progress, gradient);
      for (ParameterBlock block : queries.blocks()) {
        Tensor sum = Tensor.zeros(arena, EkFac.shape(block));
        block.gather(gradient, sum);
        Tensor values = queries.values(block);
        for (int q = 0; q < scores.length; q++) {
          for (long i = 0; i < sum.elements(); i++) {
            scores[q] += (double) values.get(q * sum.elements() + i) * sum.get(i);
          }
        }
      }
    }
    return scores;
  }

  /** What looks at the batch that begins with this example. */
  interface Visitors {
    LayerVisitor of(long first, int count);
  }

  /** One pass over the training data with the gradients of the true labels' losses. */
  static void losses(
      Model model,
      Backend backend,
      Dataset training,
      Normalisation normalisation,
      int batchSize,
      Progress progress,
      Visitors visitors) {
    Options options = Options.defaults().withBatchSize(batchSize);
    try (GradientPasses passes =
        losses(model, backend, List.of(), training, normalisation, options)) {
      passes.run(0, training.size(), progress, (first, n) -> visitors.of(first, n)::visit);
    }
  }

  /**
   * Passes with the gradients of the true labels' losses.
   *
   * @param blocks those of the layers that are visited; they matter where activations are kept
   */
  static GradientPasses losses(
      Model model,
      Backend backend,
      List<ParameterBlock> blocks,
      Dataset training,
      Normalisation normalisation,
      Options options) {
    int outputs = Math.toIntExact(model.network().output().elements());
    OutputGradients gradients = new OutputGradients(Likelihood.CATEGORICAL, outputs);
    return new GradientPasses(
        model,
        backend,
        training,
        normalisation,
        options.batchSize,
        new FisherVectors(Labels.TRUE, 1, 0, gradients, 0),
        ActivationPlan.layers(blocks),
        Optional.of(LOSS),
        options.activations);
  }
}
