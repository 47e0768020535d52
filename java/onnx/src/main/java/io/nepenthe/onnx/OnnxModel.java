package io.nepenthe.onnx;

import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A model with what its ONNX file says beyond the engine: the names and layouts of its
 * initialisers, the names of its input and output, whether it ends with a softmax, its metadata. A
 * model that was read, changed and written has the same names and shapes as before.
 *
 * <p>It owns the model: closing the one closes the other.
 */
public final class OnnxModel implements AutoCloseable {
  private static final String MEAN = "nepenthe.mean";
  private static final String STD = "nepenthe.std";

  private final Model model;
  private final SequencedMap<String, Initialiser> initialisers;
  private final Graph graph;
  private final Map<String, String> metadata;
  private final List<String> notes;
  private final List<Path> files;

  /**
   * What the graph of the file has around the network.
   *
   * @param input the input's name
   * @param output the output's name
   * @param ending what follows the logits
   * @param channelsLast the flattening nodes before which the image is transposed
   */
  record Graph(String input, String output, Ending ending, Set<Integer> channelsLast) {
    Graph {
      channelsLast = Set.copyOf(channelsLast);
    }
  }

  OnnxModel(
      Model model,
      List<Initialiser> initialisers,
      Graph graph,
      Map<String, String> metadata,
      List<String> notes,
      List<Path> files) {
    SequencedMap<String, Initialiser> byName = new LinkedHashMap<>();
    for (Initialiser initialiser : initialisers) {
      byName.put(initialiser.spec().name(), initialiser);
    }
    this.model = model;
    this.initialisers = Collections.unmodifiableSequencedMap(byName);
    this.graph = graph;
    this.metadata = Collections.unmodifiableMap(new TreeMap<>(metadata));
    this.notes = List.copyOf(notes);
    this.files = List.copyOf(files);
  }

  /** A model of the engine; the initialisers have the engine's names, the output is the logits. */
  public static OnnxModel of(Model model) {
    Set<Integer> channelsLast = FlattenedImages.transposed(model.network());
    return new OnnxModel(
        model,
        Layouts.of(model.network(), channelsLast, Map.of()),
        new Graph("input", "output", Ending.LOGITS, channelsLast),
        Map.of(),
        List.of(),
        List.of());
  }

  /**
   * Another model of the same network, under this file's names: the one that an operation made of
   * this one.
   *
   * @throws IllegalArgumentException if the networks differ
   */
  public OnnxModel withModel(Model other) {
    if (!other.network().equals(model.network())) {
      throw new IllegalArgumentException("the two models have different networks");
    }
    return new OnnxModel(other, List.copyOf(initialisers.values()), graph, metadata, notes, files);
  }

  /** The same with these metadata in place of its own: class names, normalisation, origin. */
  public OnnxModel withMetadata(Map<String, String> other) {
    return new OnnxModel(model, List.copyOf(initialisers.values()), graph, other, notes, files);
  }

  /** The same, whose metadata say how pixels are normalised. */
  public OnnxModel withNormalisation(Normalisation normalisation) {
    Map<String, String> all = new TreeMap<>(metadata);
    all.put(MEAN, text(normalisation.mean()));
    all.put(STD, text(normalisation.std()));
    return withMetadata(all);
  }

  private static String text(float[] values) {
    return IntStream.range(0, values.length)
        .mapToObj(i -> Float.toString(values[i]))
        .collect(Collectors.joining(","));
  }

  /**
   * The same with another end.
   *
   * @throws IllegalArgumentException if a softmax is to follow an image
   */
  public OnnxModel withEnding(Ending ending) {
    if (ending != Ending.LOGITS && !model.network().output().isVector()) {
      throw new IllegalArgumentException("a softmax follows vectors, not images");
    }
    Graph other = new Graph(graph.input(), graph.output(), ending, graph.channelsLast());
    return new OnnxModel(model, List.copyOf(initialisers.values()), other, metadata, notes, files);
  }

  /** The network and its values. */
  public Model model() {
    return model;
  }

  /** The layout of every parameter, then of every buffer, by the engine's names. */
  public SequencedMap<String, Initialiser> initialisers() {
    return initialisers;
  }

  /**
   * The layout of a tensor.
   *
   * @param name the engine's name of it
   * @throws IllegalArgumentException if there is none of that name
   */
  public Initialiser initialiser(String name) {
    Initialiser initialiser = initialisers.get(name);
    if (initialiser == null) {
      throw new IllegalArgumentException("no parameter is named " + name);
    }
    return initialiser;
  }

  /** The input's name in the file. */
  public String input() {
    return graph.input();
  }

  /** The output's name in the file. */
  public String output() {
    return graph.output();
  }

  /** What the file computes from the network's output. */
  public Ending ending() {
    return graph.ending();
  }

  /** The metadata properties of the file, sorted by name. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * How pixels from 0 to 1 are to be normalised before they reach the network: the metadata {@code
   * nepenthe.mean} and {@code nepenthe.std}, one number a channel between commas, which the
   * commands write and read. Empty if the file says neither.
   *
   * @throws IllegalArgumentException if it says something else
   */
  public Optional<Normalisation> normalisation() {
    if (!metadata.containsKey(MEAN) && !metadata.containsKey(STD)) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          Normalisation.parse(metadata.getOrDefault(MEAN, ""), metadata.getOrDefault(STD, "")));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "expected %s and %s with one number a channel in its metadata, found %s"
              .formatted(MEAN, STD, e.getMessage()),
          e);
    }
  }

  /** What was read in another way than it was written, one line each; fit to be shown. */
  public List<String> notes() {
    return notes;
  }

  /** The other files that weights were read from: a written model has them inside. */
  public List<Path> files() {
    return files;
  }

  OnnxModel withFiles(List<Path> read) {
    return new OnnxModel(model, List.copyOf(initialisers.values()), graph, metadata, notes, read);
  }

  Graph graph() {
    return graph;
  }

  /**
   * A statistic in the file's names, shapes and order, as {@link io.nepenthe.data.Safetensors}
   * takes it.
   *
   * @param statistic a value per weight: of the model's parameters, or of its buffers
   * @param arena owns the new tensors
   * @throws IllegalArgumentException if a tensor is not one of this model's
   */
  public SequencedMap<String, Tensor> toOnnx(Parameters statistic, Arena arena) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    for (Parameters.Parameter part : statistic.all()) {
      Initialiser initialiser = initialiser(part.spec().name());
      tensors.put(initialiser.name(), initialiser.toOnnx(part.value(), arena));
    }
    return tensors;
  }

  /**
   * Reads a statistic that {@link #toOnnx} made.
   *
   * @param tensors one per part of {@code statistic}, by the file's names; others are ignored
   * @param statistic receives the values
   * @throws IllegalArgumentException if a tensor is missing or has another shape
   */
  public void fromOnnx(Map<String, Tensor> tensors, Parameters statistic) {
    for (Parameters.Parameter part : statistic.all()) {
      Initialiser initialiser = initialiser(part.spec().name());
      Tensor values = tensors.get(initialiser.name());
      if (values == null) {
        throw new IllegalArgumentException("no tensor is named " + initialiser.name());
      }
      initialiser.fromOnnx(values, part.value());
    }
  }

  /** Closes the model. */
  @Override
  public void close() {
    model.close();
  }
}
