package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** A report's table: a row a model, a column a metric, each with deviation and gap. */
final class MetricTable {
  /** How a number is written. */
  private enum Kind {
    RATE,
    NUMBER,
    SECONDS
  }

  /**
   * A metric.
   *
   * @param pointer below a model's {@code metrics}; absolute if it begins with {@code //}
   * @param note what it is, where the title does not say; else empty
   */
  private record Column(String title, String pointer, Kind kind, String note) {}

  private static final List<Column> COLUMNS =
      List.of(
          new Column("Right on the forgotten", "/forgetAccuracy", Kind.RATE, ""),
          new Column("Right on the kept", "/retainAccuracy", Kind.RATE, ""),
          new Column("Right on test data", "/testAccuracy", Kind.RATE, ""),
          new Column(
              "Right on the forgotten class",
              "/forgottenClassTestAccuracy",
              Kind.RATE,
              "on test data of what is forgotten altogether, which right on test data is without"),
          new Column("Attack success", "/attackSuccessRate", Kind.RATE, ""),
          new Column("Right despite the attack", "/correctedAccuracy", Kind.RATE, ""),
          new Column(
              "Judged never seen",
              "/membershipInference/confidence",
              Kind.RATE,
              "the share of the forgotten that a membership attack (support vectors on the"
                  + " confidence) takes for samples never trained on; best where it equals that of"
                  + " training anew"),
          new Column(
              "Loss attack right",
              "/membershipInference/lossAttack",
              Kind.RATE,
              "how often the loss tells the forgotten from test samples; 50 % is best; judged by"
                  + " overlapping draws, it has no interval"),
          new Column(
              "Likelihood ratio",
              "/membershipInference/likelihoodRatio",
              Kind.RATE,
              "how often the attack by shadow models takes one of the forgotten for a member rather"
                  + " than a test sample; 50 % is best"),
          new Column(
              "Confused classes wrong",
              "/interclassConfusionError",
              Kind.RATE,
              "test samples of the two classes answered with anything but their label"),
          new Column(
              "As if never taught",
              "/zeroRetrainForgetting",
              Kind.RATE,
              "1 less the Jensen–Shannon divergence, on the forgotten, from a network of random"
                  + " weights"),
          new Column(
              "Divergence on test data",
              "/toRetrained/kullbackLeiblerTest",
              Kind.NUMBER,
              "Kullback–Leibler, from the one trained anew"),
          new Column(
              "Relearned after",
              "/relearnTime",
              Kind.NUMBER,
              "rounds of 500 training samples until the loss on the forgotten is what it was; 101"
                  + " where 100 were not enough"),
          new Column(
              "Average gap",
              "//averageGap",
              Kind.RATE,
              "of right on the forgotten, on the kept, on test data, and judged never seen"),
          new Column("Time", "//seconds/total", Kind.SECONDS, ""));

  private MetricTable() {}

  /**
   * The table.
   *
   * @param models each with {@code metrics} unless every seed failed, and perhaps {@code failed},
   *     {@code deviation} and {@code gap}
   * @param seeds how many each number is the mean of
   */
  static String of(List<JsonNode> models, int seeds) {
    List<Column> columns =
        COLUMNS.stream()
            .filter(column -> models.stream().anyMatch(model -> at(model, column).isNumber()))
            .toList();
    StringBuilder html = new StringBuilder();
    html.append(
        """
        <div class="scroll" tabindex="0" role="region" aria-label="All numbers, scrolls sideways">
        <table class="numbers">
        <thead><tr><th scope="col">Model</th>""");
    for (Column column : columns) {
      html.append("<th scope=\"col\" aria-sort=\"none\"><button type=\"button\">")
          .append(Template.escape(column.title))
          .append("</button>");
      Intervals.samples(models.getFirst().path("metrics"), column.pointer)
          .ifPresent(
              samples -> html.append("<span class=\"gap\">").append(samples).append("</span>"));
      html.append("</th>");
    }
    html.append("</tr></thead>\n<tbody>\n");
    for (JsonNode model : models) {
      boolean standard = model.get("name").asText().equals(Chosen.STANDARD);
      html.append(standard ? "<tr class=\"standard\">" : "<tr>");
      html.append("<th scope=\"row\">").append(Template.escape(model.get("title").asText()));
      if (model.has(Cells.FAILED)) {
        html.append(
            "<span class=\"gap\">failed with %d of %d seed%s</span>"
                .formatted(model.get(Cells.FAILED).asInt(), seeds, seeds == 1 ? "" : "s"));
      }
      html.append("</th>");
      columns.forEach(column -> cell(html, model, column, standard));
      html.append("</tr>\n");
    }
    html.append("</tbody>\n</table>\n</div>\n");
    return html + note(models, columns, seeds);
  }

  private static String note(List<JsonNode> models, List<Column> columns, int seeds) {
    StringBuilder html = new StringBuilder("<p class=\"note\">");
    if (seeds > 1) {
      html.append("Means of ").append(seeds).append(" seeds, ± the standard deviation. ");
    }
    if (models.stream().anyMatch(model -> model.has(Cells.FAILED))) {
      html.append("A method that failed has the means of its other seeds. ");
    }
    if (models.stream().anyMatch(model -> model.has("gap"))) {
      html.append("<em>Gap</em>: how far from training anew, in points. ");
    }
    if (models.stream().anyMatch(model -> intervals(model, columns))) {
      html.append(
          "†: the 95 % interval, where the share would lie with other samples of the same kind, n"
              + " of them; what another seed of training, or an attack that learnt from other"
              + " samples, would change is not in it. ");
    }
    for (Column column : columns) {
      if (!column.note.isEmpty()) {
        html.append("<em>").append(Template.escape(column.title)).append("</em>: ");
        html.append(Template.escape(column.note)).append(". ");
      }
    }
    return html.append("</p>\n").toString();
  }

  private static boolean intervals(JsonNode model, List<Column> columns) {
    return columns.stream()
        .anyMatch(column -> Intervals.text(model.path("metrics"), column.pointer).isPresent());
  }

  private static void cell(StringBuilder html, JsonNode model, Column column, boolean standard) {
    JsonNode value = at(model, column);
    if (!value.isNumber()) {
      html.append("<td>–</td>");
      return;
    }
    html.append("<td data-value=\"").append(value.asDouble()).append("\">");
    html.append(text(column, value.asDouble()));
    JsonNode deviation = model.path("deviation").at(relative(column));
    if (deviation.isNumber()) {
      html.append(" <span class=\"spread\">± ")
          .append(text(column, deviation.asDouble()).replace(" %", ""))
          .append("</span>");
    }
    JsonNode gap = model.path("gap").at(relative(column));
    if (gap.isNumber() && !standard) {
      html.append("<span class=\"gap\">gap ")
          .append(text(column, gap.asDouble()).replace(" %", ""))
          .append("</span>");
    }
    Intervals.text(model.path("metrics"), column.pointer)
        .ifPresent(
            interval -> html.append("<span class=\"gap\">").append(interval).append(" †</span>"));
    html.append("</td>");
  }

  private static JsonNode at(JsonNode model, Column column) {
    return column.pointer.startsWith("//")
        ? model.at(column.pointer.substring(1))
        : model.path("metrics").at(column.pointer);
  }

  /** Of figures that have neither deviation nor gap, a pointer to nothing. */
  private static String relative(Column column) {
    return column.pointer.startsWith("//") ? "/none" : column.pointer;
  }

  private static String text(Column column, double value) {
    return switch (column.kind) {
      case RATE -> Text.percent(value);
      case NUMBER -> String.format(Text.LOCALE, "%.3g", value);
      case SECONDS -> Text.seconds(value);
    };
  }
}
