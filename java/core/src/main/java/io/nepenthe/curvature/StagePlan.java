package io.nepenthe.curvature;

import io.nepenthe.kernel.SingularValues;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.ParametricLayer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a stage of {@link FactorStages} or {@link ScoreStages} will take, before it runs.
 *
 * @param stage its name
 * @param fileBytes of its file
 * @param checkpointBytes of the state that it saves; 0 if it saves none
 * @param memoryBytes the most that it takes at once beyond what the process held before: native
 *     memory and large arrays, without what the virtual machine's young generation lets lie
 * @param operations multiplications and additions
 */
public record StagePlan(
    String stage, long fileBytes, long checkpointBytes, long memoryBytes, double operations) {

  /**
   * LAPACK's code and its threads' buffers: so much less the peaks were where it was not called.
   */
  private static final long LAPACK_BYTES = 16L << 20;

  /** What the plans need to know of a model. */
  private static final class Sizes {
    private final Model model;
    private final List<ParameterBlock> blocks;
    private final Map<String, Long> positions = new HashMap<>();
    private final long samples;
    private final int batch;
    private final int batchSizes;

    Sizes(Model model, List<ParameterBlock> blocks, long samples, int batchSize) {
      this.model = model;
      this.blocks = blocks;
      this.samples = samples;
      for (ParametricLayer layer : model.layers()) {
        Extent out = model.network().extent(layer.node());
        long each = out.isVector() ? 1 : out.height() * out.width();
        positions.merge(layer.layer().name(), each, Long::sum);
      }
      Chunks chunks = Chunks.of(samples);
      Set<Long> sizes = new HashSet<>();
      for (int chunk = 0; chunk < chunks.count(); chunk++) {
        long size = chunks.end(chunk) - chunks.first(chunk);
        sizes.add(Math.min(batchSize, size));
        sizes.add(size % batchSize);
      }
      sizes.remove(0L);
      this.batchSizes = sizes.size();
      this.batch = (int) sizes.stream().mapToLong(Long::longValue).max().orElse(1);
    }

    long positions(ParameterBlock block) {
      return positions.get(block.layer());
    }

    /** Σ γ(I² + (O/γ)²). */
    long squares() {
      long sum = 0;
      for (ParameterBlock block : blocks) {
        sum +=
            block.isDiagonal()
                ? 0
                : block.groups() * (square(block.columns()) + square(block.groupOutputs()));
      }
      return sum;
    }

    /** Entries of Λ. */
    long entries() {
      return blocks.stream().mapToLong(ParameterBlock::size).sum();
    }

    /** Activations, gradients and the weights as the dense library orders them. */
    long pass() {
      long weights = 2 * Float.BYTES * model.parameters().count();
      return batch * Execution.bytesPerSample(model.network(), Mode.FROZEN) + batchSizes * weights;
    }

    /** A forward pass and so many backward ones. */
    double passes(int backward) {
      double each = 0;
      for (ParameterBlock block : blocks) {
        each += 2.0 * positions(block) * block.outputs() * block.columns();
      }
      return samples * each * (1 + backward);
    }
  }

  private static long square(long n) {
    return n * n;
  }

  /**
   * The stages of factors.
   *
   * @param samples of the data
   * @param processors how many matrices are decomposed at once
   */
  public static List<StagePlan> factors(
      Model model, long samples, FactorOptions options, int processors) {
    Sizes sizes = new Sizes(model, options.blocks(model), samples, options.batchSize());
    int outputs = Math.toIntExact(model.network().output().elements());
    int backward = new FisherVectors(options, outputs, 0).passes();
    return List.of(covariance(sizes, backward), eigen(sizes, processors), lambda(sizes, backward));
  }

  private static StagePlan covariance(Sizes sizes, int backward) {
    long sums = 2L * Double.BYTES * sizes.squares();
    long most = 0;
    double products = 0;
    boolean diagonals = false;
    for (ParameterBlock block : sizes.blocks) {
      diagonals |= block.isDiagonal();
      if (!block.isDiagonal()) {
        double inputs = (double) block.columns() * (block.columns() + 1);
        double gradients = (double) block.groupOutputs() * (block.groupOutputs() + 1);
        products +=
            (double) block.groups() * sizes.positions(block) * (inputs + backward * gradients);
        long larger = Math.max(block.columns(), block.groupOutputs());
        most = Math.max(most, block.groups() * square(larger) * Double.BYTES);
      }
    }
    long squares = diagonals ? 2L * Float.BYTES * sizes.model.parameters().count() : 0;
    return new StagePlan(
        FactorStages.COVARIANCE,
        Double.BYTES * sizes.squares(),
        sums,
        sizes.pass() + sums + squares + most,
        sizes.passes(backward) + sizes.samples * products);
  }

  private static StagePlan eigen(Sizes sizes, int processors) {
    List<Long> jobs = new ArrayList<>();
    double operations = 0;
    for (ParameterBlock block : sizes.blocks) {
      for (int group = 0; !block.isDiagonal() && group < block.groups(); group++) {
        jobs.add(block.columns());
        jobs.add(block.groupOutputs());
        operations += 9 * (Math.pow(block.columns(), 3) + Math.pow(block.groupOutputs(), 3));
      }
    }
    jobs.sort(Comparator.reverseOrder());
    // While they are decomposed: the matrix, LAPACK's copy and its workspace of two more.
    long together = 0;
    for (int job = 0; job < jobs.size(); job++) {
      together += (job < processors ? 4L : 1L) * Double.BYTES * square(jobs.get(job));
    }
    // Afterwards: three arrays a matrix, of which only one is still used but none need have been
    // collected, the vectors in float32, and the product that checks them.
    long largest = jobs.isEmpty() ? 0 : square(jobs.getFirst());
    long after =
        (3L * Double.BYTES + Float.BYTES) * sizes.squares()
            + 2L * Float.BYTES * (sizes.entries() + largest);
    return new StagePlan(
        FactorStages.EIGEN,
        Float.BYTES * sizes.squares(),
        0,
        LAPACK_BYTES + 2L * Double.BYTES * sizes.squares() + Math.max(together, after),
        operations);
  }

  /** Eigenvectors, their transposes, and the plans that multiply by them. */
  private static long rotations(Sizes sizes) {
    long bytes = 0;
    for (ParameterBlock block : sizes.blocks) {
      if (block.isDiagonal()) {
        continue;
      }
      long squares = block.groups() * (square(block.columns()) + square(block.groupOutputs()));
      long positions = sizes.positions(block);
      boolean inputsFirst = positions < block.groupOutputs();
      boolean gradientsFirst = positions < block.columns();
      long rooms =
          sizes.batch
              * positions
              * ((inputsFirst ? block.groups() * block.columns() : 0)
                  + (gradientsFirst ? block.outputs() : 0));
      if (!inputsFirst || !gradientsFirst) {
        long formed = Math.min(sizes.batch * block.size(), Math.max(1L << 24, block.size()));
        rooms += (inputsFirst ? 1 : 2) * formed;
        rooms += gradientsFirst ? 0 : sizes.batch * square(block.groupOutputs());
      }
      long kept = 2 * squares + block.groups() * square(block.columns());
      bytes += Float.BYTES * (kept + sizes.batchSizes * squares + rooms);
    }
    return bytes;
  }

  /** Of the block that takes most: its queries twice, Q_B and its transpose for each of them. */
  private static long preconditioning(Sizes asked, long queries) {
    long most = 0;
    for (ParameterBlock block : asked.blocks) {
      if (!block.isDiagonal()) {
        long squares = block.groups() * (square(block.columns()) + square(block.groupOutputs()));
        long each =
            2 * block.size() / block.groups() + 2 * block.groups() * square(block.groupOutputs());
        long rooms = InverseCurvature.atOnce(block, queries) * each;
        most = Math.max(most, Float.BYTES * (squares + rooms));
      }
    }
    return most;
  }

  /** What scores take beside the curvature, the preconditioned queries and the scores. */
  private static long asking(Sizes sizes, long queries, int rank, int processors) {
    // Queries as the kernels take them, in the order of tiles or as weights of projections.
    long packed = 0;
    long cut = 0;
    long most = 0;
    for (ParameterBlock block : sizes.blocks) {
      long whole = Float.BYTES * block.size() * queries;
      long factors = Float.BYTES * queries * rank * (block.outputs() + block.columns());
      if (!Queries.isCut(block, rank)) {
        packed += whole;
        continue;
      }
      cut += factors;
      long decompositions = Math.min(queries, processors);
      most =
          Math.max(most, decompositions * SingularValues.bytes(block.outputs(), block.columns()));
      ScoreRoute route =
          ScoreRoute.ofRank(
              queries, sizes.positions(block), block.outputs(), block.columns(), rank);
      packed += route == ScoreRoute.LOW_RANK ? factors : whole;
    }
    // Before the pass the queries that are cut off are there as well as what is left of them.
    long decomposing = most == 0 ? 0 : LAPACK_BYTES + most;
    long before = rank == 0 ? 0 : Float.BYTES * sizes.entries() * queries + decomposing;
    return cut + Math.max(before, sizes.pass() + packed);
  }

  private static double rotating(Sizes sizes) {
    double each = 0;
    for (ParameterBlock block : sizes.blocks) {
      if (!block.isDiagonal()) {
        each +=
            block.groups()
                * RotatedGradients.operations(
                    sizes.positions(block), block.groupOutputs(), block.columns());
      }
    }
    return sizes.samples * each;
  }

  private static StagePlan lambda(Sizes sizes, int backward) {
    long entries = sizes.entries();
    return new StagePlan(
        FactorStages.LAMBDA,
        Double.BYTES * entries,
        2L * Double.BYTES * entries,
        sizes.pass() + rotations(sizes) + 2L * Float.BYTES * entries + 2L * Double.BYTES * entries,
        sizes.passes(backward) + backward * rotating(sizes));
  }

  /**
   * The stages of scores.
   *
   * @param factors with which the curvature was computed
   * @param layers whose scores are wanted; of all that have factors if there are none
   * @param samples of the training data
   * @param queries how many; 0 for every example's influence on its own loss
   * @param processors how many queries are cut off at their rank at once
   */
  public static List<StagePlan> scores(
      Model model,
      FactorOptions factors,
      Set<String> layers,
      long samples,
      long queries,
      Influence.Options options,
      int processors) {
    List<ParameterBlock> all = factors.blocks(model);
    List<ParameterBlock> wanted =
        all.stream().filter(block -> layers.isEmpty() || layers.contains(block.layer())).toList();
    Sizes held = new Sizes(model, all, samples, options.batchSize());
    Sizes sizes = new Sizes(model, wanted, samples, options.batchSize());
    long entries = sizes.entries();
    // Eigenvectors and both kinds of eigenvalues, and the weights made from one.
    long curvature = Float.BYTES * (held.squares() + 2 * held.entries() + entries);
    long modules = 1 + (options.perBlock() ? sizes.blocks.size() : 0);
    if (queries == 0) {
      long bytes = Float.BYTES * samples * modules;
      return List.of(
          new StagePlan(
              ScoreStages.SELF,
              bytes,
              bytes,
              curvature + sizes.pass() + rotations(sizes) + bytes,
              sizes.passes(1) + rotating(sizes)));
    }
    long group = options.queriesAtOnce(model, queries);
    long preconditioned = Float.BYTES * entries * group;
    Sizes asked = new Sizes(model, wanted, queries, options.batchSize());
    long bytes = Float.BYTES * samples * queries * modules;
    double products = 0;
    double rotated = 0;
    for (ParameterBlock block : sizes.blocks) {
      double positions = sizes.positions(block);
      double size = block.size();
      products += 2 * size * Math.min(positions + queries, positions * queries);
      rotated += 4 * size * (block.columns() + block.groupOutputs());
    }
    return List.of(
        new StagePlan(
            ScoreStages.PRECONDITION,
            Float.BYTES * entries * queries,
            0,
            curvature + preconditioned + Math.max(asked.pass(), preconditioning(asked, group)),
            asked.passes(1) + queries * rotated),
        new StagePlan(
            ScoreStages.PAIRWISE,
            bytes,
            bytes,
            curvature
                + preconditioned
                + bytes
                + asking(sizes, group, options.queryRank(), processors),
            Math.ceilDiv(queries, group) * sizes.passes(1) + samples * products));
  }
}
