package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.evaluate.LinearCka;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
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
  /** One of the rates. */
  double rate(String rate) {
    return metrics.get(rate).asDouble();
  }

  /**
   * Writes the report of some models.
   *
   * @param models the one before first, if it is there; it or {@link Chosen#STANDARD} is
   * @param extras what this report has beside the usual
   */
  static void report(
      Run run,
      Path to,
      String title,
      String lead,
      Task task,
      List<Portrayed> models,
      ComparisonPage.Extras extras) {
    Optional<Portrayed> before = named(models, "before");
    Optional<Portrayed> standard = named(models, Chosen.STANDARD);
    Portrait portrait = new Portrait(task, run.backend(), run.seed());
    List<JsonNode> nodes = new ArrayList<>();
    run.progress().start("portray", models.size(), "models");
    run.phase(
        "portray",
        () -> {
          float[][] like = new float[0][];
          Map<Portrayed, LinearCka.Layers> layers = new IdentityHashMap<>();
          models.forEach(model -> layers.put(model, portrait.layers(model.file)));
          for (Portrayed model : models) {
            // Where a backdoor is to be healed, one trained anew is no aim: it may have it again.
            ObjectNode node = model.node(task.backdoor().isPresent() ? Optional.empty() : standard);
            ObjectNode detail = node.putObject("detail");
            portrait.draw(model.file, model.observed, like, detail);
            LinearCka.Layers own = layers.get(model);
            ObjectNode likeBefore = detail.putObject("likeBefore");
            before.ifPresent(it -> Portrait.compare(own, layers.get(it), likeBefore));
            ObjectNode likeRetrained = detail.putObject("likeRetrained");
            standard.ifPresent(it -> Portrait.compare(own, layers.get(it), likeRetrained));
            like = nodes.isEmpty() ? Portrait.embedding(detail) : like;
            nodes.add(node);
            run.progress().to(nodes.size());
          }
        });
    run.progress().finish();
    ComparisonPage page = new ComparisonPage(title, lead, nodes, 1, task, run.provenance(), extras);
    AtomicFile.write(to, out -> out.write(page.html().getBytes(StandardCharsets.UTF_8)));
    run.result().output(to);
  }

  private static Optional<Portrayed> named(List<Portrayed> models, String name) {
    return models.stream().filter(model -> model.name.equals(name)).findFirst();
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
                  Portrait.layers(file, task.test().get(), run.backend()),
                  Portrait.layers(standard.file, task.test().get(), run.backend()),
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
