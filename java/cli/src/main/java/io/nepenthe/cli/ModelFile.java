package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.onnx.OnnxModel;
import io.nepenthe.onnx.OnnxReader;
import io.nepenthe.onnx.OnnxWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * A model as a file has it: the network, the names of its tensors, and how pixels are normalised
 * before they reach it, which stands in the file's metadata. It owns the model.
 *
 * @param onnx the model and its names
 * @param normalisation applied to pixels from 0 to 1; empty if the file does not say
 */
record ModelFile(OnnxModel onnx, Optional<Normalisation> normalisation) implements AutoCloseable {
  private static final String CLASSES = "nepenthe.classes";

  /** A new model, under the engine's names. */
  static ModelFile of(Model model, Normalisation normalisation) {
    return new ModelFile(OnnxModel.of(model), Optional.of(normalisation));
  }

  /** The same, which remembers what the classes of its training data are called. */
  ModelFile withClasses(Dataset training) {
    if (areNumbers(training.classNames())) {
      return this;
    }
    Map<String, String> metadata = new TreeMap<>(onnx.metadata());
    metadata.put(CLASSES, String.join("\n", training.classNames()));
    return new ModelFile(onnx.withMetadata(metadata), normalisation);
  }

  /** Another model of the same network, under the same names. */
  ModelFile withModel(Model other) {
    return new ModelFile(onnx.withModel(other), normalisation);
  }

  Model model() {
    return onnx.model();
  }

  /** Whether weights and running statistics are those of another model, to the bit. */
  boolean isSame(ModelFile other) {
    return isSame(model().parameters(), other.model().parameters())
        && isSame(model().buffers(), other.model().buffers());
  }

  private static boolean isSame(Parameters one, Parameters other) {
    return one.flat().segment().mismatch(other.flat().segment()) < 0;
  }

  /** Reads a model of the user's, and notes its files. */
  static ModelFile read(Path file, Run run) {
    ModelFile model = read(file);
    run.readsModel(file);
    model.onnx.files().forEach(run::reads);
    return model;
  }

  /**
   * Reads a model.
   *
   * @throws CommandException if the metadata speak of a normalisation that is none
   */
  static ModelFile read(Path file) {
    OnnxModel onnx = OnnxReader.read(file);
    try {
      return new ModelFile(onnx, onnx.normalisation());
    } catch (IllegalArgumentException e) {
      onnx.close();
      throw new CommandException(file + ": " + e.getMessage(), e);
    }
  }

  /** Writes it; the file is there whole or not at all. */
  void write(Path file) {
    Map<String, String> metadata = new TreeMap<>(onnx.metadata());
    metadata.put(OnnxWriter.PRODUCER, "nepenthe " + Version.text());
    OnnxModel named = onnx.withMetadata(metadata);
    OnnxWriter.write(normalisation.map(named::withNormalisation).orElse(named), file);
  }

  /**
   * The normalisation, or pixels as they are where the file does not say.
   *
   * @throws CommandException if the classes of the data have other names than those of the model:
   *     words are numbered in the order of the alphabet, so where one is missing all after it have
   *     other numbers
   */
  Normalisation normalisationFor(Dataset dataset) {
    String classes = onnx.metadata().get(CLASSES);
    List<String> found = dataset.classNames();
    if (classes != null && !areNumbers(found) && !classes.equals(String.join("\n", found))) {
      throw new CommandException(
          dataset.name()
              + ": expected the model's classes, "
              + classes.replace("\n", ", ")
              + ", found "
              + String.join(", ", found));
    }
    return normalisation.orElseGet(() -> Normalisation.identity(dataset.image().channels()));
  }

  private static boolean areNumbers(List<String> names) {
    return IntStream.range(0, names.size()).allMatch(i -> names.get(i).equals(Integer.toString(i)));
  }

  /** The values of a normalisation, for a result file. */
  static String describe(Normalisation normalisation) {
    return "mean "
        + Arrays.toString(normalisation.mean())
        + ", std "
        + Arrays.toString(normalisation.std());
  }

  @Override
  public void close() {
    onnx.close();
  }
}
