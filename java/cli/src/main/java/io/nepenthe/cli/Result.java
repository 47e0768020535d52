package io.nepenthe.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.kernel.Device;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The machine-readable result: the command and its options, versions, device and precision, seed, a
 * checksum of every input and output, wall seconds by phase, and whatever the command measured.
 */
final class Result {
  private final ObjectNode root = JsonNodeFactory.instance.objectNode();

  Result(CommandSpec command, long seed, int threads, Device device) {
    String name = command.qualifiedName(" ");
    root.put("command", name.startsWith("nepenthe ") ? name.substring(9) : name);
    root.put("seed", seed);
    switch (device) {
      case Device.Cpu _ -> root.put("device", "cpu").put("precision", "FP32");
      case Device.Cuda cuda ->
          root.put("device", "cuda:" + cuda.ordinal()).put("precision", cuda.precision().name());
    }
    root.put("threads", threads);
    ObjectNode options = root.putObject("options");
    for (PositionalParamSpec parameter : command.positionalParameters()) {
      put(options, parameter.paramLabel(), parameter.getValue());
    }
    for (OptionSpec option : command.options()) {
      if (!option.usageHelp()) {
        put(options, option.longestName().substring(2), option.getValue());
      }
    }
    ObjectNode versions = root.putObject("versions");
    versions.put("nepenthe", Version.text());
    versions.put("java", System.getProperty("java.vm.vendor") + " " + Runtime.version());
    versions.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    root.put("began", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    root.putArray("inputs");
    root.putArray("outputs");
    root.putObject("seconds");
  }

  private static void put(ObjectNode node, String name, Object value) {
    switch (value) {
      case null -> {}
      case Boolean flag -> node.put(name, flag);
      case Integer number -> node.put(name, number);
      case Long number -> node.put(name, number);
      case Double number -> node.put(name, number);
      case List<?> words ->
          node.put(name, words.stream().map(Object::toString).collect(Collectors.joining(",")));
      case Map<?, ?> settings -> {
        ObjectNode object = node.putObject(name);
        settings.forEach((key, setting) -> object.put(key.toString(), setting.toString()));
      }
      default -> node.put(name, value.toString());
    }
  }

  /** The whole, for a command to add what it measured. */
  ObjectNode json() {
    return root;
  }

  /** The lines {@code key=value} of a backend's description. */
  void describe(Map<String, String> description) {
    ObjectNode versions = (ObjectNode) root.get("versions");
    versions.put("onednn", description.getOrDefault("onednn", ""));
    versions.put("instructionSet", description.getOrDefault("isa", ""));
  }

  /** A file that was read. */
  void input(Path file) {
    file("inputs", file);
  }

  /** A file that was written; of a pipe or a device nothing is left to take a checksum of. */
  void output(Path file) {
    if (AtomicFile.isStream(file)) {
      root.withArray("outputs").addObject().put("file", file.toString());
    } else {
      file("outputs", file);
    }
  }

  private void file(String list, Path file) {
    root.withArray(list).addObject().put("file", file.toString()).put("sha256", Checksum.of(file));
  }

  /** Wall time of a phase; of a phase that is repeated, their sum. */
  void seconds(String phase, double seconds) {
    ObjectNode node = (ObjectNode) root.get("seconds");
    node.put(phase, Math.round((node.path(phase).asDouble(0) + seconds) * 1e6) / 1e6);
  }

  /** Wall time of the whole command so far. */
  void total(double seconds) {
    ((ObjectNode) root.get("seconds")).put("total", Math.round(seconds * 1e6) / 1e6);
  }

  /** Writes it; the file is there whole or not at all. */
  void write(Path file) {
    String text = text();
    AtomicFile.write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }

  String text() {
    try {
      return new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(root)
          + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
