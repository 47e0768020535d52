package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A model that was measured, for a report of single models.
 *
 * @param name {@code before}, {@link Chosen#STANDARD} or another
 * @param metrics its rates, classes and confusion, as in a result file
 * @param seconds that making it took, by phase; empty if that is not known
 */
record Portrayed(
    String name,
    String title,
    ModelFile file,
    Observed observed,
    ObjectNode metrics,
    ObjectNode seconds) {
  /**
   * Writes the report of some models.
   *
   * @param models the one before first
   */
  static void report(
      Run run, Path to, String title, String lead, Task task, List<Portrayed> models) {
    Optional<Portrayed> standard =
        models.stream().filter(model -> model.name.equals(Chosen.STANDARD)).findFirst();
    Portrait portrait = new Portrait(task, run.backend(), run.seed());
    List<JsonNode> nodes = new ArrayList<>();
    run.progress().start("portray", models.size(), "models");
    run.phase(
        "portray",
        () -> {
          float[][] like = new float[0][];
          for (Portrayed model : models) {
            ObjectNode node = model.node(standard);
            ObjectNode detail = node.putObject("detail");
            portrait.draw(model.file, model.observed, like, detail);
            portrait.compare(model.file, models.getFirst().file, detail.putObject("likeBefore"));
            ObjectNode likeRetrained = detail.putObject("likeRetrained");
            standard.ifPresent(it -> portrait.compare(model.file, it.file, likeRetrained));
            like = nodes.isEmpty() ? Portrait.embedding(detail) : like;
            nodes.add(node);
            run.progress().to(nodes.size());
          }
        });
    run.progress().finish();
    ComparisonPage page = new ComparisonPage(title, lead, nodes, 1, task, run.provenance());
    AtomicFile.write(to, out -> out.write(page.html().getBytes(StandardCharsets.UTF_8)));
    run.result().output(to);
  }

  /** Adds to the metrics how far it is from one trained anew, and how alike their layers are. */
  void toStandard(Run run, Task task, Portrayed standard) {
    Metrics.distance(standard.observed, observed, metrics);
    JsonNode gap = Figures.gap(rates(), standard.rates());
    metrics.set("gap", gap);
    Figures.averageGap(gap).ifPresent(average -> metrics.put("averageGap", average));
    if (task.test().isPresent()) {
      run.phase(
          "similarity",
          () ->
              Portrait.compare(
                  file,
                  standard.file,
                  task.test().get(),
                  run.backend(),
                  metrics.putObject("layerSimilarity")));
    }
  }

  /** The metrics that are numbers of the model alone. */
  private ObjectNode rates() {
    return metrics
        .deepCopy()
        .without(
            List.of("classes", "confusion", "toRetrained", "gap", "averageGap", "layerSimilarity"));
  }

  private ObjectNode node(Optional<Portrayed> standard) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("name", name).put("title", title);
    node.set("metrics", metrics.deepCopy().without(List.of("classes", "confusion", "gap")));
    node.set("seconds", seconds);
    if (standard.isPresent() && !name.equals("before")) {
      JsonNode gap = Figures.gap(rates(), standard.get().rates());
      node.set("gap", gap);
      Figures.averageGap(gap).ifPresent(average -> node.put("averageGap", average));
    }
    ArrayNode classes = node.putArray("classes");
    metrics.get("classes").forEach(one -> classes.add(one.get("accuracy")));
    node.set("confusion", metrics.get("confusion"));
    return node;
  }
}
