package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Influence scores in stages, on top of the files of {@link FactorStages}:
 *
 * <pre>
 *   precondition       H⁻¹∇f_q of the queries; of as many groups as the memory for queries asks for
 *   pairwise_scores    a pass over the training data for each group, in partitions if wanted
 *   self_scores        a pass over the training data, in partitions if wanted
 * </pre>
 *
 * <p>Scores of the chunks of partitions stand beside each other when they are merged. A run goes on
 * from the batch at which its last checkpoint was, or from the chunk if there are several groups.
 */
public final class ScoreStages {
  /** The stage and file of influences on queries. */
  public static final String PAIRWISE = "pairwise_scores";

  /** The stage and file of influences on an example's own loss. */
  public static final String SELF = "self_scores";

  static final String PRECONDITION = "precondition";

  private static final String RANK = "query_rank";

  private final Model model;
  private final Backend backend;
  private final Dataset training;
  private final Normalisation normalisation;
  private final InverseCurvature inverse;
  private final Influence.Options options;
  private final FileLayout layout;
  private final StageOptions stage;
  private final StageListener listener;
  private final StageFolder folder;
  private final SequencedMap<String, String> identity = new LinkedHashMap<>();

  /**
   * Prepares the stages: deletes what killed runs left unfinished in the folder, and reads the
   * training data once for their checksum.
   *
   * @param inverse made from what {@link FactorStages#read} read from {@code factors}
   * @param factors the folder of those files
   * @param curvature which approximation {@code inverse} is, for the files' metadata
   * @param damping with which it was made
   * @param layout how parameters are named and ordered in files
   */
  public ScoreStages(
      Model model,
      Backend backend,
      Dataset training,
      Normalisation normalisation,
      InverseCurvature inverse,
      Path factors,
      String curvature,
      Damping damping,
      Influence.Options options,
      FileLayout layout,
      StageOptions stage,
      StageListener listener) {
    this.model = model;
    this.backend = backend;
    this.training = training;
    this.normalisation = normalisation;
    this.inverse = inverse;
    this.options = options;
    this.layout = layout;
    this.stage = stage;
    this.listener = listener;
    this.folder = new StageFolder(stage.folder()).tidied();
    SequencedMap<String, String> described = FactorStages.describe(factors);
    FactorOptions blocks = FactorStages.blocksOf(Map.of("bias", described.get("factors_bias")));
    if (inverse.blocks().size() < blocks.blocks(model).size()) {
      blocks =
          blocks.withLayers(
              inverse.blocks().stream().map(ParameterBlock::layer).collect(Collectors.toSet()));
    }
    identity.putAll(FactorStages.origin(model, normalisation, layout, blocks));
    identity.putAll(described);
    identity.put("curvature", curvature);
    identity.put("damping", damping.toString());
    identity.put("data", Fingerprint.of(training));
    options.activations().know(training, identity.get("data"));
    identity.put("samples", Long.toString(training.size()));
    identity.put("modules", options.perBlock() ? "each" : "all");
    identity.put("scale", "raw: divide by the samples for the change when one is left out");
    identity.put("sign", "positive: leaving the example out raises the measurement");
  }

  private ScoreStages(ScoreStages other, Path folder) {
    this.model = other.model;
    this.backend = other.backend;
    this.training = other.training;
    this.normalisation = other.normalisation;
    this.inverse = other.inverse;
    this.options = other.options;
    this.layout = other.layout;
    this.stage = other.stage.withFolder(folder);
    this.listener = other.listener;
    this.folder = new StageFolder(folder).tidied();
    this.identity.putAll(other.identity);
  }

  /** The same with files in another folder; the training data are not read again. */
  public ScoreStages in(Path other) {
    return new ScoreStages(this, other);
  }

  private ChunkStage scores(SequencedMap<String, String> metadata) {
    return new ChunkStage(
        metadata.get(FactorStages.STAGE), metadata, stage, Chunks.of(training.size()), listener);
  }

  /**
   * Computes every example's influence on its own loss, or this partition's chunks of it.
   *
   * @return whether the whole stage's file is there
   * @throws DataException if a file in the folder was computed from something else
   */
  public boolean self() {
    SequencedMap<String, String> metadata = new LinkedHashMap<>(identity);
    metadata.put(FactorStages.STAGE, SELF);
    metadata.put("measurement", "loss");
    return scores(metadata).run(options.batchSize(), Own::new);
  }

  /**
   * Computes the influence of every training example on every query, or this partition's chunks of
   * it.
   *
   * @return whether the whole stage's file is there
   * @throws DataException if a file in the folder was computed from something else
   */
  public boolean pairwise(Dataset queries, Measurement measurement) {
    SequencedMap<String, String> metadata = new LinkedHashMap<>(identity);
    metadata.put("queries", Fingerprint.of(queries));
    metadata.put("query_count", Long.toString(queries.size()));
    metadata.put("measurement", FactorStages.word(measurement));
    metadata.put(RANK, options.queryRank() == 0 ? "all" : "" + options.queryRank());
    metadata.put(FactorStages.STAGE, PAIRWISE);
    return scores(metadata)
        .run(options.batchSize(), () -> new Pairs(queries, measurement, metadata));
  }

  /** Scores of a range of the training data. */
  private abstract class Scores implements ChunkStage.Work, Checkpoint.State {
    private final long queries;
    private final GradientPasses passes =
        Influence.losses(model, backend, inverse.blocks(), training, normalisation, options);
    InfluenceScores scores;
    private long first;

    Scores(long queries) {
      this.queries = queries;
    }

    @Override
    public void begin(long from, long to) {
      if (scores != null) {
        scores.close();
      }
      first = from;
      scores =
          new InfluenceScores(
              queries, to - from, options.perBlock() ? inverse.blocks() : List.of());
    }

    /** One pass over samples; what uses them counts from the first of the file. */
    void pass(long from, long to, Progress progress, GradientPasses.Use use) {
      passes.run(from, to, progress, (at, count) -> use.of(at - first, count));
    }

    @Override
    public Checkpoint.State state() {
      return this;
    }

    @Override
    public void fold() {}

    @Override
    public String merge() {
      return "concatenate";
    }

    @Override
    public SequencedMap<String, SafetensorsPart> parts() {
      SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
      parts.put("all_modules", SafetensorsPart.of(scores.raw()));
      for (ParameterBlock block :
          options.perBlock() ? inverse.blocks() : List.<ParameterBlock>of()) {
        String name = layout.name(block.parameter());
        parts.put(name, SafetensorsPart.of(scores.blocks().get(block.name())));
      }
      return parts;
    }

    @Override
    public void restore(SafetensorsFile from) {
      scores.restore(from, block -> layout.name(block.parameter()), inverse.blocks());
    }

    @Override
    public void close() {
      passes.close();
      if (scores != null) {
        scores.close();
      }
    }
  }

  private final class Own extends Scores {
    Own() {
      super(1);
    }

    @Override
    public void add(long from, long to, ChunkStage.Positions positions) {
      try (SelfScorer scorer = new SelfScorer(backend, inverse, scores)) {
        pass(from, to, (done, total) -> positions.at(done), scorer::visiting);
      }
    }
  }

  private final class Pairs extends Scores {
    private final Dataset asked;
    private final Measurement measurement;
    private final Map<String, String> metadata;
    private final long each;
    private final long groups;
    private Queries held;
    private long heldGroup = -1;

    Pairs(Dataset asked, Measurement measurement, Map<String, String> metadata) {
      super(asked.size());
      this.asked = asked;
      this.measurement = measurement;
      this.metadata = metadata;
      this.each = options.queriesAtOnce(model, asked.size());
      this.groups = Math.ceilDiv(asked.size(), each);
      for (long group = 0; group < groups; group++) {
        precondition(group);
      }
    }

    private Path file(long group) {
      return folder.whole(
          groups == 1 ? PRECONDITION : PRECONDITION + ".group-" + (group + 1) + "-of-" + groups);
    }

    private Map<String, String> metadata(long group) {
      Map<String, String> own = new TreeMap<>(metadata);
      own.keySet().removeAll(List.of("data", "samples", "modules", "scale", "sign", RANK));
      own.put(FactorStages.STAGE, PRECONDITION);
      own.put("group", (group + 1) + " of " + groups);
      return own;
    }

    private long count(long group) {
      return Math.min(asked.size(), (group + 1) * each) - group * each;
    }

    private void precondition(long group) {
      Path file = file(group);
      if (StageFolder.isThere(file, metadata(group))) {
        listener.skipped(file);
        return;
      }
      Dataset part = Subset.range(asked, group * each, group * each + count(group) - 1);
      try (Queries queries =
          Queries.of(
              model,
              backend,
              inverse,
              part,
              normalisation,
              measurement,
              options.batchSize(),
              (done, total) ->
                  listener.progress(PRECONDITION, group * each + done, asked.size()))) {
        SafetensorsFile.write(
            file, metadata(group), new QueryFiles(new FactorFiles(layout)).parts(queries));
      }
      listener.wrote(file);
    }

    private Queries group(long group) {
      if (heldGroup != group) {
        close(held);
        Path file = file(group);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
          StageFolder.require(file, open.metadata(), metadata(group));
          held = read(open, count(group));
        }
        heldGroup = group;
      }
      return held;
    }

    /** The file has them whole: scores of another rank take them from it too. */
    private Queries read(SafetensorsFile file, long count) {
      Queries whole = new QueryFiles(new FactorFiles(layout)).read(file, inverse.blocks(), count);
      if (options.queryRank() == 0) {
        return whole;
      }
      try (whole) {
        return whole.lowRank(options.queryRank());
      }
    }

    @Override
    public void add(long from, long to, ChunkStage.Positions positions) {
      for (long group = 0; group < groups; group++) {
        boolean only = groups == 1;
        try (PairScorer scorer = new PairScorer(backend, group(group), scores, group * each)) {
          pass(
              from,
              to,
              (done, total) -> {
                if (only) {
                  positions.at(done);
                }
              },
              scorer::visiting);
        }
      }
      positions.at(to);
    }

    private static void close(Queries queries) {
      if (queries != null) {
        queries.close();
      }
    }

    @Override
    public void close() {
      super.close();
      close(held);
    }
  }
}
