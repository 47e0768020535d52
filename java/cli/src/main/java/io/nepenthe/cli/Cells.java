package io.nepenthe.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What a comparison has done, on disk: for each seed and method a model and, written after it, a
 * record; of a method that failed a record alone, with the reason. A record counts only for the
 * very task and settings that it was made for, and only while it says what it said then.
 *
 * @param folder with one folder a seed
 * @param task says everything that decides the results but seed, method and settings
 */
record Cells(Path folder, String task) {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /** Under which a record has the reason where a method failed. */
  static final String FAILED = "failed";

  /** Under which a record has the checksum of all that it depends on and says. */
  private static final String MADE = "made";

  /**
   * One seed and method.
   *
   * @param name of the method, or {@code before}
   * @param settings the method's, as text
   */
  record Key(long seed, String name, String settings) {}

  /** Where the model is, or is to be. */
  Path model(Key key) {
    return place(key, ".onnx");
  }

  /** The record, if it was done. */
  Optional<ObjectNode> find(Key key) {
    return Files.exists(model(key))
        ? record(key).filter(found -> !found.has(FAILED))
        : Optional.empty();
  }

  /** Why it failed, if it was tried and did. */
  Optional<String> failure(Key key) {
    return record(key).filter(found -> found.has(FAILED)).map(it -> it.get(FAILED).asText());
  }

  private Optional<ObjectNode> record(Key key) {
    Path file = place(key, ".json");
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    try {
      JsonNode found = MAPPER.readTree(file.toFile());
      return found instanceof ObjectNode node && node.path(MADE).asText().equals(mark(key, node))
          ? Optional.of(node)
          : Optional.empty();
    } catch (IOException e) {
      throw new CommandException(
          file
              + ": expected the record of an earlier run, found "
              + e.getMessage().lines().findFirst().orElse("nothing")
              + "; remedy: remove it",
          e);
    }
  }

  /** Keeps the model, then the record. */
  void keep(Key key, ModelFile model, ObjectNode node) {
    model.write(model(key));
    note(key, node);
  }

  /** Keeps that it failed, and why. */
  void fail(Key key, String reason) {
    note(key, JsonNodeFactory.instance.objectNode().put(FAILED, reason));
  }

  /** Keeps a record anew, of a model that is there. */
  void note(Key key, ObjectNode node) {
    byte[] text;
    try {
      node.put(MADE, mark(key, node));
      text = MAPPER.writeValueAsString(node).getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
    AtomicFile.write(place(key, ".json"), to -> to.write(text));
  }

  private Path place(Key key, String suffix) {
    return folder.resolve("seed-" + key.seed).resolve(key.name + suffix);
  }

  private String mark(Key key, ObjectNode node) throws JsonProcessingException {
    // As it is read: a float that was put becomes a double.
    JsonNode read = MAPPER.readTree(MAPPER.writeValueAsString(node));
    String says = MAPPER.writeValueAsString(((ObjectNode) read).without(MADE));
    return Checksum.of(task + "\n" + key + "\n" + says);
  }
}
