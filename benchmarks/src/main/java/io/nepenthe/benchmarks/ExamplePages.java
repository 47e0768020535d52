package io.nepenthe.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What the command line's examples gave, in words and tables. The folder has {@code demo-N.json},
 * the result of the demo with seed N, from 1 on; {@code mnist-poison.json}, {@code
 * mnist-train.json} and {@code mnist-unlearn.json}, the results of the README's commands on MNIST;
 * and {@code mnist.txt}, what the last of them printed.
 */
record ExamplePages(Path folder) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * The page of SSD with its table of seeds replaced.
   *
   * @throws IOException if the folder has no demo's result, or something else by its name
   */
  String ssd(String page) throws IOException {
    List<JsonNode> demos = demos();
    StringBuilder lines = new StringBuilder();
    lines.append(
        "| seed | clean before | attack before | α found | clean after | attack after | right after"
            + " | retrained: clean | retrained: attack |\n");
    lines.append("|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for (JsonNode demo : demos) {
      JsonNode before = demo.get("before");
      JsonNode ssd = demo.at("/methods/0");
      JsonNode retrain = demo.at("/methods/1");
      line(
          lines,
          "| %d | %s | %s | %.1f | %s | %s | %s | %s | %s |",
          demo.get("seed").asInt(),
          percent(before, "cleanAccuracy"),
          percent(before, "attackSuccessRate"),
          ssd.at("/setting/selection").asDouble(),
          percent(ssd, "cleanAccuracy"),
          percent(ssd, "attackSuccessRate"),
          percent(ssd, "correctedAccuracy"),
          percent(retrain, "cleanAccuracy"),
          percent(retrain, "attackSuccessRate"));
    }
    JsonNode last = demos.getLast();
    lines.append('\n');
    line(
        lines,
        "Seed %d took %.0f s, of which forgetting %.1f s and training anew %.1f s, on %d threads;"
            + " %s.",
        last.get("seed").asInt(),
        last.at("/seconds/total").asDouble(),
        last.at("/methods/0/seconds/total").asDouble(),
        last.at("/methods/1/seconds/total").asDouble(),
        last.get("threads").asInt(),
        last.get("began").asText().substring(0, 10));
    return Marked.replace(page, "seeds", lines.toString());
  }

  /**
   * The README with its example on MNIST replaced, if the folder has it.
   *
   * @throws IOException if a file is missing or something else
   */
  String readme(String page) throws IOException {
    Path printed = folder.resolve("mnist.txt");
    if (!Files.exists(printed)) {
      return page;
    }
    StringBuilder lines = new StringBuilder();
    lines.append("```\n").append(Files.readString(printed).stripTrailing()).append("\n```\n\n");
    JsonNode task = read("mnist-poison.json").get("task");
    long poisoned = task.get("poisoned").asLong();
    JsonNode train = read("mnist-train.json");
    line(
        lines,
        "%,d of the %,d poisoned images were known. Training took %.0f s, forgetting %.0f s, on %d"
            + " threads; %s.",
        Math.round(task.get("known").asDouble() * poisoned),
        poisoned,
        train.at("/seconds/total").asDouble(),
        read("mnist-unlearn.json").at("/seconds/total").asDouble(),
        train.get("threads").asInt(),
        train.get("began").asText().substring(0, 10));
    return Marked.replace(page, "mnist", lines.toString());
  }

  private List<JsonNode> demos() throws IOException {
    List<JsonNode> demos = new ArrayList<>();
    do {
      demos.add(read("demo-" + (demos.size() + 1) + ".json"));
    } while (Files.exists(folder.resolve("demo-" + (demos.size() + 1) + ".json")));
    return demos;
  }

  private JsonNode read(String name) throws IOException {
    Path file = folder.resolve(name);
    JsonNode node = JSON.readTree(Files.readString(file));
    if (!node.has("command") || !node.has("seconds")) {
      throw new IOException(file + " is not the result of a command");
    }
    return node;
  }

  private static String percent(JsonNode measured, String name) {
    return String.format(Locale.ROOT, "%.1f", 100 * measured.get(name).asDouble());
  }

  private static void line(StringBuilder lines, String format, Object... values) {
    lines.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
