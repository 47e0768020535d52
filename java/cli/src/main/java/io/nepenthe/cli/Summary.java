package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * A comparison's figures: for each method and metric the mean over the seeds, the standard
 * deviation, and the gap, the mean distance to retraining with the same seed.
 *
 * @param rows the models before, then the methods; among them {@link Chosen#STANDARD}
 */
record Summary(List<Comparison.Row> rows) {
  static Summary of(List<Comparison.Row> rows) {
    return new Summary(rows);
  }

  /** Adds {@code before}, {@code methods} and {@code warnings}. */
  void to(ObjectNode json) {
    json.set("before", row(rows.getFirst(), false));
    ArrayNode methods = json.putArray("methods");
    rows.stream().skip(1).forEach(row -> methods.add(row(row, true)));
    ArrayNode warnings = json.putArray("warnings");
    warnings().forEach(warnings::add);
  }

  /** What was too strong, or too weak, a sentence each. */
  List<String> warnings() {
    return rows.stream()
        .skip(1)
        .flatMap(
            row ->
                TooStrong.of(
                    row.name(),
                    row.cells().getFirst().path("settings"),
                    row.name() + ".",
                    metrics(rows.getFirst()),
                    metrics(row))
                    .or(() -> tooWeak(row))
                    .stream())
        .toList();
  }

  /** Where something is to be repaired, training anew is no aim. */
  private Optional<String> tooWeak(Comparison.Row row) {
    OptionalDouble before = averageGap(rows.getFirst());
    OptionalDouble after = averageGap(row);
    boolean repair = has("/metrics/attackSuccessRate") || has("/metrics/interclassConfusionError");
    return repair || before.isEmpty() || after.isEmpty()
        ? Optional.empty()
        : TooWeak.of(row.name(), before.getAsDouble(), after.getAsDouble());
  }

  private static JsonNode[] metrics(Comparison.Row row) {
    return row.cells().stream().map(cell -> cell.get("metrics")).toArray(JsonNode[]::new);
  }

  private ObjectNode row(Comparison.Row row, boolean method) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("name", row.name()).put("title", row.title());
    List<JsonNode> metrics = row.cells().stream().map(cell -> cell.get("metrics")).toList();
    node.setAll((ObjectNode) Figures.reduce(metrics, Figures::mean));
    node.set(
        "seconds",
        Figures.reduce(
            row.cells().stream().map(cell -> cell.get("seconds")).toList(), Figures::mean));
    if (row.cells().size() > 1) {
      node.set("deviation", Figures.reduce(metrics, Figures::deviation));
    }
    if (method) {
      node.set("gap", Figures.reduce(gaps(row), Figures::mean));
      averageGap(row).ifPresent(gap -> node.put("averageGap", gap));
    }
    ArrayNode seeds = node.putArray("seeds");
    row.cells().forEach(cell -> seeds.add(cell.deepCopy().without(List.of("made", "detail"))));
    return node;
  }

  /** Every row for the report: means, and the first seed's portrait. */
  List<JsonNode> models() {
    List<JsonNode> models = new ArrayList<>();
    for (Comparison.Row row : rows) {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      node.put("name", row.name()).put("title", row.title());
      List<JsonNode> metrics = row.cells().stream().map(cell -> cell.get("metrics")).toList();
      node.set("metrics", Figures.reduce(metrics, Figures::mean));
      if (metrics.size() > 1) {
        node.set("deviation", Figures.reduce(metrics, Figures::deviation));
      }
      if (row != rows.getFirst()) {
        node.set("gap", Figures.reduce(gaps(row), Figures::mean));
        averageGap(row).ifPresent(gap -> node.put("averageGap", gap));
      }
      node.set(
          "seconds",
          Figures.reduce(
              row.cells().stream().map(cell -> cell.get("seconds")).toList(), Figures::mean));
      ObjectNode first = row.cells().getFirst();
      ArrayNode classes = node.putArray("classes");
      first.get("classes").forEach(one -> classes.add(one.get("accuracy")));
      node.set("confusion", first.get("confusion"));
      node.set("detail", first.get("detail"));
      models.add(node);
    }
    return models;
  }

  private Comparison.Row standard() {
    return rows.stream()
        .filter(row -> row.name().equals(Chosen.STANDARD))
        .findFirst()
        .orElseThrow();
  }

  /** For each seed the distances to retraining. */
  private List<JsonNode> gaps(Comparison.Row row) {
    List<JsonNode> gaps = new ArrayList<>();
    for (int i = 0; i < row.cells().size(); i++) {
      gaps.add(
          Figures.gap(row.cells().get(i).get("metrics"), standard().cells().get(i).get("metrics")));
    }
    return gaps;
  }

  private OptionalDouble averageGap(Comparison.Row row) {
    return Figures.averageGap(Figures.reduce(gaps(row), Figures::mean));
  }

  /** Prints the table, and the warnings. */
  void print(Run run) {
    String[][] columns = {
      {"forget", "/metrics/forgetAccuracy"},
      {"retain", "/metrics/retainAccuracy"},
      {"test", "/metrics/testAccuracy"},
      {"attack", "/metrics/attackSuccessRate"},
      {"member", "/metrics/membershipInference/confidence"}
    };
    StringBuilder head = new StringBuilder(String.format(Text.LOCALE, "%-22s", ""));
    for (String[] column : columns) {
      if (has(column[1])) {
        head.append(String.format(Text.LOCALE, "%14s", column[0]));
      }
    }
    run.say("%s%9s%10s", head, "gap", "time");
    for (Comparison.Row row : rows) {
      StringBuilder line = new StringBuilder(String.format(Text.LOCALE, "%-22s", row.title()));
      for (String[] column : columns) {
        if (has(column[1])) {
          line.append(String.format(Text.LOCALE, "%14s", spread(values(row, column[1]))));
        }
      }
      OptionalDouble gap = averageGap(row);
      String shown =
          row == rows.getFirst() || gap.isEmpty()
              ? ""
              : String.format(Text.LOCALE, "%.2f", 100 * gap.getAsDouble());
      run.say("%s%9s%10s", line, shown, Text.seconds(Figures.mean(values(row, "/seconds/total"))));
    }
    warnings().forEach(warning -> run.say("warning: %s", warning));
  }

  private boolean has(String pointer) {
    return rows.getFirst().cells().getFirst().at(pointer).isNumber();
  }

  private static double[] values(Comparison.Row row, String pointer) {
    return row.cells().stream().mapToDouble(cell -> cell.at(pointer).asDouble()).toArray();
  }

  /** Percent, with the deviation where there are several: {@code 98.6 ± 0.2}. */
  private static String spread(double... values) {
    String mean = String.format(Text.LOCALE, "%.1f", 100 * Figures.mean(values));
    return values.length == 1
        ? mean
        : mean + String.format(Text.LOCALE, " ± %.1f", 100 * Figures.deviation(values));
  }
}
