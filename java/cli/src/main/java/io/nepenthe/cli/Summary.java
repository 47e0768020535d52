package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A comparison's figures: for each method and metric the mean over the seeds, the standard
 * deviation, and the gap, the mean distance to retraining with the same seed.
 *
 * @param rows the models before, then the methods; among them {@link Chosen#STANDARD}
 */
record Summary(List<Comparison.Row> rows) {
  /** Adds {@code before}, {@code methods} and {@code warnings}. */
  void to(ObjectNode json) {
    json.set("before", row(rows.getFirst(), false));
    ArrayNode methods = json.putArray("methods");
    rows.stream().skip(1).forEach(row -> methods.add(row(row, true)));
    ArrayNode warnings = json.putArray("warnings");
    warnings().forEach(warnings::add);
  }

  /** What failed, and what was too strong or too weak, a sentence each. */
  List<String> warnings() {
    return rows.stream()
        .skip(1)
        .flatMap(row -> Stream.concat(failures(row).stream(), unfit(row).stream()))
        .toList();
  }

  /** For each reason with which seeds a method failed. */
  private static List<String> failures(Comparison.Row row) {
    SequencedMap<String, List<String>> seeds = new LinkedHashMap<>();
    for (ObjectNode cell : row.cells()) {
      if (cell.has(Cells.FAILED)) {
        seeds
            .computeIfAbsent(cell.get(Cells.FAILED).asText(), _ -> new ArrayList<>())
            .add(cell.get("seed").asText());
      }
    }
    List<String> sentences = new ArrayList<>();
    seeds.forEach(
        (reason, failed) ->
            sentences.add(
                "%s failed with seed%s %s: %s"
                    .formatted(
                        row.name(),
                        failed.size() == 1 ? "" : "s",
                        String.join(", ", failed),
                        reason)));
    return sentences;
  }

  private Optional<String> unfit(Comparison.Row row) {
    return row.measured().isEmpty()
        ? Optional.empty()
        : TooStrong.of(
                row.name(),
                row.measured().getFirst().path("settings"),
                row.name() + ".",
                metrics(rows.getFirst().beside(row)).toArray(JsonNode[]::new),
                metrics(row.measured()).toArray(JsonNode[]::new))
            .or(() -> tooWeak(row));
  }

  /** Where something is to be repaired, training anew is no aim. */
  private Optional<String> tooWeak(Comparison.Row row) {
    OptionalDouble before = averageGap(rows.getFirst(), row);
    OptionalDouble after = averageGap(row, row);
    boolean repair = has("/metrics/attackSuccessRate") || has("/metrics/interclassConfusionError");
    return repair || before.isEmpty() || after.isEmpty()
        ? Optional.empty()
        : TooWeak.of(row.name(), before.getAsDouble(), after.getAsDouble());
  }

  private static List<JsonNode> metrics(List<ObjectNode> cells) {
    return cells.stream().map(cell -> cell.get("metrics")).toList();
  }

  private ObjectNode row(Comparison.Row row, boolean method) {
    ObjectNode node = head(row);
    if (!row.measured().isEmpty()) {
      List<JsonNode> metrics = metrics(row.measured());
      node.setAll(means(metrics));
      figures(row, metrics, method, node);
    }
    ArrayNode seeds = node.putArray("seeds");
    row.cells().forEach(cell -> seeds.add(cell.deepCopy().without(List.of("made", "detail"))));
    return node;
  }

  private static ObjectNode means(List<JsonNode> metrics) {
    ObjectNode means = (ObjectNode) Figures.reduce(metrics, Figures::mean);
    Intervals.ofMeans(means, metrics.getFirst());
    return means;
  }

  /** The name, and with how many seeds it failed if with any. */
  private static ObjectNode head(Comparison.Row row) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("name", row.name()).put("title", row.title());
    int failed = row.cells().size() - row.measured().size();
    return failed == 0 ? node : node.put(Cells.FAILED, failed);
  }

  private void figures(
      Comparison.Row row, List<JsonNode> metrics, boolean method, ObjectNode node) {
    node.set(
        "seconds",
        Figures.reduce(
            row.measured().stream().map(cell -> cell.get("seconds")).toList(), Figures::mean));
    if (metrics.size() > 1) {
      node.set("deviation", Figures.reduce(metrics, Figures::deviation));
    }
    if (method) {
      node.set("gap", Figures.reduce(gaps(row, row), Figures::mean));
      averageGap(row, row).ifPresent(gap -> node.put("averageGap", gap));
    }
  }

  /** Every row for the report: means, and the first seed's portrait unless it failed with that. */
  List<JsonNode> models() {
    List<JsonNode> models = new ArrayList<>();
    for (Comparison.Row row : rows) {
      ObjectNode node = head(row);
      if (!row.measured().isEmpty()) {
        List<JsonNode> metrics = metrics(row.measured());
        node.set("metrics", means(metrics));
        figures(row, metrics, row != rows.getFirst(), node);
      }
      ObjectNode first = row.cells().getFirst();
      if (!first.has(Cells.FAILED)) {
        ArrayNode classes = node.putArray("classes");
        first.get("classes").forEach(one -> classes.add(one.get("accuracy")));
        node.set("confusion", first.get("confusion"));
        node.set("detail", first.get("detail"));
      }
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

  /** The distances to retraining, for each seed with which another row did not fail. */
  private List<JsonNode> gaps(Comparison.Row row, Comparison.Row other) {
    List<JsonNode> own = metrics(row.beside(other));
    List<JsonNode> aim = metrics(standard().beside(other));
    return IntStream.range(0, own.size())
        .mapToObj(i -> Figures.gap(own.get(i), aim.get(i)))
        .toList();
  }

  private OptionalDouble averageGap(Comparison.Row row, Comparison.Row other) {
    return other.measured().isEmpty()
        ? OptionalDouble.empty()
        : Figures.averageGap(Figures.reduce(gaps(row, other), Figures::mean));
  }

  /**
   * A column of the table that is printed.
   *
   * @param metric below a cell's {@code metrics}
   * @param scale 100 for percent
   */
  private record Column(String title, String metric, int scale) {
    private static final List<Column> ALL =
        List.of(
            new Column("forget", "/forgetAccuracy", 100),
            new Column("retain", "/retainAccuracy", 100),
            new Column("test", "/testAccuracy", 100),
            new Column("attack", "/attackSuccessRate", 100),
            new Column("member", "/membershipInference/confidence", 100),
            new Column("relearn", "/relearnTime", 1));

    String pointer() {
      return "/metrics" + metric;
    }

    /** With the deviation where there are several: {@code 98.6 ± 0.2}. */
    String spread(double... values) {
      double[] scaled = DoubleStream.of(values).map(value -> scale * value).toArray();
      return switch (values.length) {
        case 0 -> "–";
        case 1 -> String.format(Text.LOCALE, scale == 1 ? "%.0f" : "%.1f", scaled[0]);
        default ->
            String.format(
                Text.LOCALE, "%.1f ± %.1f", Figures.mean(scaled), Figures.deviation(scaled));
      };
    }
  }

  /** Prints the table, and the warnings. */
  void print(Run run) {
    List<Column> columns = Column.ALL.stream().filter(it -> has(it.pointer())).toList();
    List<String> metrics = columns.stream().map(Column::metric).toList();
    String format = "%-22s" + "%14s".repeat(columns.size());
    run.say("%s%9s%10s", line(format, "", columns, Column::title), "gap", "time");
    below(format, "", rows.getFirst(), metrics, Intervals::samples)
        .ifPresent(line -> run.say("%s", line));
    for (Comparison.Row row : rows) {
      OptionalDouble gap = averageGap(row, row);
      String shown =
          row == rows.getFirst() || gap.isEmpty()
              ? ""
              : String.format(Text.LOCALE, "%.2f", 100 * gap.getAsDouble());
      int measured = row.measured().size();
      run.say(
          "%s%9s%10s%s",
          line(format, row.title(), columns, it -> it.spread(values(row, it.pointer()))),
          shown,
          measured == 0 ? "" : Text.seconds(Figures.mean(values(row, "/seconds/total"))),
          measured == row.cells().size() ? "" : "  failed: " + (row.cells().size() - measured));
      below(format, "  95 %", row, metrics, Intervals::text)
          .ifPresent(below -> run.say("%s", below));
    }
    warnings().forEach(warning -> run.say("warning: %s", warning));
  }

  private static String line(
      String format, String title, List<Column> columns, Function<Column, String> text) {
    return String.format(
        Text.LOCALE, format, Stream.concat(Stream.of(title), columns.stream().map(text)).toArray());
  }

  private static Optional<String> below(
      String format,
      String title,
      Comparison.Row row,
      List<String> metrics,
      BiFunction<JsonNode, String, Optional<String>> what) {
    return row.measured().isEmpty()
        ? Optional.empty()
        : Intervals.line(format, title, means(metrics(row.measured())), metrics, what);
  }

  /** Whether some model has it: how soon the forgotten are known again the one before has not. */
  private boolean has(String pointer) {
    return rows.stream().anyMatch(row -> values(row, pointer).length > 0);
  }

  private static double[] values(Comparison.Row row, String pointer) {
    return row.measured().stream()
        .map(cell -> cell.at(pointer))
        .filter(JsonNode::isNumber)
        .mapToDouble(JsonNode::asDouble)
        .toArray();
  }
}
