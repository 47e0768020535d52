package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * EK-FAC in stages, each of which leaves a file:
 *
 * <pre>
 *   covariance   Σ āāᵀ, Σ ggᵀ and their counts       a pass over the data, in partitions if wanted
 *   eigen        the eigenvectors of the means
 *   lambda       Σ (Q_BᵀPQ_A)² and its count         a pass over the data, in partitions if wanted
 * </pre>
 *
 * <p>A stage whose file is there is skipped; a file of other data, another model or other options
 * is refused. Sums are taken over {@link Chunks} of the data, so that partitions merge to the same
 * bits as a run that did all. An interrupted run goes on from its last checkpoint and ends with the
 * same bytes.
 */
public final class FactorStages {
  static final String COVARIANCE = "covariance";
  static final String EIGEN = "eigen";
  static final String LAMBDA = "lambda";
  static final String SCHEMA = "nepenthe.stages.1";
  static final String STAGE = "stage";
  static final String LAYERS = "layers";

  private static final String ALL_LAYERS = "all";

  private final Model model;
  private final Backend backend;
  private final Dataset data;
  private final Normalisation normalisation;
  private final FactorOptions options;
  private final FactorFiles files;
  private final StageOptions stage;
  private final StageListener listener;
  private final Activations activations;
  private final StageFolder folder;
  private final SequencedMap<String, String> identity = new LinkedHashMap<>();

  /** Stages whose passes all go through the model. */
  public FactorStages(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      FileLayout layout,
      StageOptions stage,
      StageListener listener) {
    this(model, backend, data, normalisation, options, layout, stage, Activations.none(), listener);
  }

  /**
   * Prepares the stages: deletes what killed runs left unfinished in the folder, and reads the data
   * once for their checksum.
   *
   * @param layout how parameters are named and ordered in files
   * @param activations where passes keep them for later ones; not where labels are drawn, which
   *     every stage does anew
   */
  public FactorStages(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      FileLayout layout,
      StageOptions stage,
      Activations activations,
      StageListener listener) {
    this.model = model;
    this.activations = activations;
    this.backend = backend;
    this.data = data;
    this.normalisation = normalisation;
    this.options = options;
    this.files = new FactorFiles(layout);
    this.stage = stage;
    this.listener = listener;
    this.folder = new StageFolder(stage.folder()).tidied();
    identity.putAll(origin(model, normalisation, layout, options));
    identity.put("data", Fingerprint.of(data));
    activations.know(data, identity.get("data"));
    identity.put("samples", Long.toString(data.size()));
    identity.put("fisher", word(options.fisher()));
    identity.put("draws", Integer.toString(options.draws()));
    identity.put("likelihood", word(options.likelihood()));
    identity.put("sharing", options.reduce() ? "reduce" : "expand");
    identity.put("seed", Long.toString(options.seed()));
    identity.put("scaling", "kfc");
  }

  static String word(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** In the alphabet's order. */
  static String names(Collection<String> layers) {
    return layers.isEmpty() ? ALL_LAYERS : String.join(",", new TreeSet<>(layers));
  }

  /** The choices of blocks that files were written with. */
  static FactorOptions blocksOf(Map<String, String> metadata) {
    FactorOptions options = FactorOptions.defaults();
    String layers = metadata.getOrDefault(LAYERS, ALL_LAYERS);
    if (!layers.equals(ALL_LAYERS)) {
      options = options.withLayers(Set.of(layers.split(",")));
    }
    boolean separate = metadata.getOrDefault("bias", "joint").equals("separate");
    return separate ? options.withSeparateBias() : options;
  }

  /** What any file of a model's curvature depends on. */
  static SequencedMap<String, String> origin(
      Model model, Normalisation normalisation, FileLayout layout, FactorOptions options) {
    SequencedMap<String, String> origin = new LinkedHashMap<>();
    origin.put("schema", SCHEMA);
    origin.put("bias", options.jointBias() ? "joint" : "separate");
    origin.put("geometry", Fingerprint.of(options.blocks(model), layout));
    origin.put(LAYERS, names(options.layers()));
    origin.putAll(Fingerprint.of(model, normalisation));
    return origin;
  }

  private SequencedMap<String, String> identity(String name) {
    SequencedMap<String, String> all = new LinkedHashMap<>(identity);
    all.put(STAGE, name);
    all.put("features", "channel, kernel row, kernel column, then the bias; positions together");
    return all;
  }

  private ChunkStage sums(String name) {
    return new ChunkStage(name, identity(name), stage, Chunks.of(data.size()), listener);
  }

  /**
   * Sums the covariances, or this partition's chunks of them.
   *
   * @return whether the whole stage's file is there
   * @throws DataException if a file in the folder was computed from something else
   */
  public boolean covariance() {
    return sums(COVARIANCE).run(options.batchSize(), Covariances::new);
  }

  /**
   * Decomposes the covariances.
   *
   * @throws DataException if they are not there, or were computed from something else
   */
  public void eigen() {
    Path file = folder.whole(EIGEN);
    if (StageFolder.isThere(file, identity(EIGEN))) {
      listener.skipped(file);
      return;
    }
    try (KroneckerFactors factors = new KroneckerFactors(model, backend, options)) {
      Path from = folder.whole(COVARIANCE);
      try (SafetensorsFile open = SafetensorsFile.open(from)) {
        StageFolder.require(from, open.metadata(), identity(COVARIANCE));
        files.readCovariance(open, factors);
      }
      listener.progress(EIGEN, 0, 1);
      try (EkFac ekfac = EkFac.of(factors)) {
        Map<String, String> metadata = new TreeMap<>(identity(EIGEN));
        metadata.put("negative_eigenvalues", Integer.toString(ekfac.clamped()));
        metadata.put(
            "most_deviation_from_orthonormal",
            Double.toString(Orthonormality.of(backend, ekfac.bases().values())));
        SafetensorsFile.write(file, metadata, files.eigen(factors, ekfac));
      }
      listener.progress(EIGEN, 1, 1);
      listener.wrote(file);
    }
  }

  /**
   * Sums Λ, or this partition's chunks of it.
   *
   * @return whether the whole stage's file is there
   * @throws DataException if the eigenvectors are not there, or were computed from something else
   */
  public boolean lambda() {
    return sums(LAMBDA).run(options.batchSize(), Eigenvalues::new);
  }

  private EkFac eigenvectors() {
    Path from = folder.whole(EIGEN);
    try (SafetensorsFile open = SafetensorsFile.open(from)) {
      StageFolder.require(from, open.metadata(), identity(EIGEN));
      return files.readEigen(open, options.blocks(model), options);
    }
  }

  /**
   * Reads what the stages wrote.
   *
   * @param model that they were computed for
   * @param layout with which they were written
   * @throws DataException if a file is missing, damaged, or of another model; or if the two files
   *     are not of one pipeline
   */
  public static EkFac read(
      Path folder, Model model, Normalisation normalisation, FileLayout layout) {
    Path eigen = new StageFolder(folder).whole(EIGEN);
    Path lambda = new StageFolder(folder).whole(LAMBDA);
    try (SafetensorsFile vectors = SafetensorsFile.open(eigen);
        SafetensorsFile values = SafetensorsFile.open(lambda)) {
      FactorOptions options = blocks(eigen, vectors, model, normalisation, layout);
      Map<String, String> found = vectors.metadata();
      Map<String, String> same = new TreeMap<>(found);
      same.keySet().removeAll(List.of("negative_eigenvalues", "most_deviation_from_orthonormal"));
      same.put(STAGE, LAMBDA);
      StageFolder.require(lambda, values.metadata(), same);
      FactorFiles files = new FactorFiles(layout);
      EkFac ekfac = files.readEigen(vectors, options.blocks(model), options);
      files.readLambda(values, ekfac);
      return ekfac;
    }
  }

  /**
   * The choices of blocks, layers and biases, with which what the stages wrote was computed.
   *
   * @throws DataException if there are no eigenvectors, or those of another model
   */
  public static FactorOptions blocks(
      Path folder, Model model, Normalisation normalisation, FileLayout layout) {
    Path eigen = new StageFolder(folder).whole(EIGEN);
    try (SafetensorsFile vectors = SafetensorsFile.open(eigen)) {
      return blocks(eigen, vectors, model, normalisation, layout);
    }
  }

  private static FactorOptions blocks(
      Path eigen,
      SafetensorsFile vectors,
      Model model,
      Normalisation normalisation,
      FileLayout layout) {
    FactorOptions options = blocksOf(vectors.metadata());
    StageFolder.require(eigen, vectors.metadata(), Map.of(STAGE, EIGEN));
    StageFolder.require(eigen, vectors.metadata(), origin(model, normalisation, layout, options));
    return options;
  }

  /** What the curvature in a folder was computed from, for the files of scores. */
  static SequencedMap<String, String> describe(Path folder) {
    SequencedMap<String, String> described = new LinkedHashMap<>();
    try (SafetensorsFile open = SafetensorsFile.open(new StageFolder(folder).whole(LAMBDA))) {
      for (String key :
          List.of("bias", "data", "draws", "fisher", LAYERS, "samples", "seed", "sharing")) {
        described.put("factors_" + key, open.metadata().getOrDefault(key, "none"));
      }
    }
    return described;
  }

  /** A pass that sums. */
  private abstract class Sums implements ChunkStage.Work {
    private final GradientPasses passes;

    /**
     * A pass of a stage.
     *
     * @param stream its draws are independent of another stage's
     */
    Sums(int stream) {
      this.passes =
          GradientPasses.of(model, backend, data, normalisation, options, stream, activations);
    }

    @Override
    public abstract SumState state();

    abstract FisherVectors.Listener visitor();

    abstract void count(long samples);

    @Override
    public void begin(long from, long to) {
      state().clear();
    }

    @Override
    public void add(long from, long to, ChunkStage.Positions positions) {
      passes.run(
          from,
          to,
          (done, total) -> positions.at(done),
          (first, samples) -> {
            count(samples);
            return visitor();
          });
    }

    @Override
    public void fold() {
      state().fold();
    }

    @Override
    public String merge() {
      return "sum";
    }

    @Override
    public void close() {
      passes.close();
    }
  }

  private final class Covariances extends Sums {
    private final KroneckerFactors factors = new KroneckerFactors(model, backend, options);
    private final KroneckerFactors.Visitor visitor = factors.new Visitor(backend);

    Covariances() {
      super(0);
    }

    @Override
    public SumState state() {
      return new SumState(factors.state());
    }

    @Override
    FisherVectors.Listener visitor() {
      return visitor;
    }

    @Override
    void count(long samples) {
      factors.count(samples);
    }

    @Override
    public SequencedMap<String, SafetensorsPart> parts() {
      return files.covariance(factors);
    }

    @Override
    public void close() {
      super.close();
      visitor.close();
      factors.close();
    }
  }

  private final class Eigenvalues extends Sums {
    private final EkFac ekfac = eigenvectors();
    private final EkFac.Correction correction = ekfac.new Correction(backend);

    Eigenvalues() {
      super(1);
    }

    @Override
    public SumState state() {
      return new SumState(correction.state());
    }

    @Override
    FisherVectors.Listener visitor() {
      return correction;
    }

    @Override
    void count(long samples) {
      correction.count(samples);
    }

    @Override
    public SequencedMap<String, SafetensorsPart> parts() {
      return files.lambda(correction, ekfac);
    }

    @Override
    public void close() {
      super.close();
      correction.close();
      ekfac.close();
    }
  }
}
