package io.nepenthe.benchmarks.influence;

import io.nepenthe.benchmarks.Marked;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** The tables as Markdown, each written between its {@link Marked} lines of a page. */
final class InfluenceTables {
  private final List<Measured> rows;
  private final StringBuilder text = new StringBuilder();

  private InfluenceTables(List<Measured> rows) {
    this.rows = rows;
  }

  /** Replaces what is between the marks. */
  static void write(List<Measured> rows, Path page) throws IOException {
    Marked.rewrite(page, text -> tables(rows, text));
  }

  private static String tables(List<Measured> rows, String page) {
    String changed = page;
    changed = between(changed, "detection", rows, InfluenceTables::detection);
    changed = between(changed, "healing", rows, InfluenceTables::healing);
    changed = between(changed, "queries", rows, InfluenceTables::queries);
    changed = between(changed, "low-rank", rows, InfluenceTables::lowRank);
    changed = between(changed, "activations", rows, InfluenceTables::activations);
    changed = between(changed, "order", rows, InfluenceTables::order);
    changed = between(changed, "lds", rows, InfluenceTables::datamodeling);
    changed = between(changed, "mislabel", rows, InfluenceTables::mislabel);
    changed = between(changed, "response", rows, InfluenceTables::response);
    changed = between(changed, "removal", rows, InfluenceTables::removal);
    return changed;
  }

  private static String between(
      String page, String name, List<Measured> rows, Consumer<InfluenceTables> table) {
    InfluenceTables tables = new InfluenceTables(rows);
    table.accept(tables);
    return Marked.replace(page, name, tables.text.toString());
  }

  private List<Measured> of(String figure, String part) {
    return rows.stream()
        .filter(row -> row.figure().equals(figure) && row.part().equals(part))
        .sorted((a, b) -> Long.compare(a.seed(), b.seed()))
        .sorted((a, b) -> a.data().compareTo(b.data()))
        .toList();
  }

  private void detection() {
    line(
        "| data, seed | accuracy, attack | plain | spectral | clustering | Δ as it is, n_tol 0 | Δ relative,"
            + " n_tol 0 | n_tol 5 | n_tol 10 | flagged, recall |");
    line("|---|---|---|---|---|---|---|---|---|---|");
    for (Measured row : of("detection", "delta")) {
      line(
          "| %s, %d | %s, %s | %s | %s | %s | %s | %s | **%s** | %s | %.0f, %s |",
          row.data(),
          row.seed(),
          percent(row.value("accuracy")),
          percent(row.value("attack")),
          auc(row, "plain"),
          auc(row, "spectral"),
          auc(row, "clustering"),
          auc(row, "asIs.0"),
          auc(row, "delta.0"),
          auc(row, "delta.5"),
          auc(row, "delta.10"),
          row.value("flagged"),
          percent(row.value("recall")));
    }
  }

  private void healing() {
    StringBuilder head = new StringBuilder("| data, seed | before |");
    for (String healer : DetectionFigure.HEALERS.keySet()) {
      head.append(' ').append(healer).append(" |");
    }
    line(head.toString());
    line("|---|---|" + "---|".repeat(DetectionFigure.HEALERS.size()));
    for (Measured before : of("detection", "delta")) {
      StringBuilder cells = new StringBuilder();
      cells.append("| ").append(before.data()).append(", ").append(before.seed());
      cells.append(" | ").append(accuracyAndAttack(before)).append(" |");
      for (String healer : DetectionFigure.HEALERS.keySet()) {
        String after =
            of("detection", healer).stream()
                .filter(row -> row.data().equals(before.data()) && row.seed() == before.seed())
                .findFirst()
                .map(InfluenceTables::accuracyAndAttack)
                .orElse("");
        cells.append(' ').append(after).append(" |");
      }
      line(cells.toString());
    }
  }

  private void queries() {
    line("| network | one query | 51 queries | ratio |");
    line("|---|---|---|---|");
    for (Measured row : of("queries", "cost")) {
      double each = 1e3 / row.value("examples");
      line(
          "| %s | %.3f ms an example | %.3f ms | %.2f |",
          row.data(),
          row.value("seconds.1") * each,
          row.value("seconds.51") * each,
          row.value("ratio"));
    }
  }

  private void lowRank() {
    line(
        "| 51 queries of rank | a pass | to one query | rank correlation with full rank, median | least |");
    line("|---|---|---|---|---|");
    for (Measured row : of("low-rank", "cost")) {
      lowRank(row, "full");
      for (int rank : LowRankFigure.RANKS) {
        lowRank(row, String.valueOf(rank));
      }
    }
  }

  private void lowRank(Measured row, String rank) {
    boolean full = rank.equals("full");
    double seconds = row.value("seconds." + rank);
    line(
        "| %s | %.3f ms an example | %.2f | %s | %s |",
        rank,
        seconds * 1e3 / LowRankFigure.SIZE,
        seconds / row.value("seconds.1"),
        full ? "1" : decimals(row.value("median." + rank)),
        full ? "1" : decimals(row.value("least." + rank)));
  }

  private static String decimals(double value) {
    return String.format(Locale.ROOT, "%.3f", value);
  }

  private void activations() {
    line(
        "| network | pass | kept | through the model | keeping | reading | a later pass saves,"
            + " predicted | measured |");
    line("|---|---|---|---|---|---|---|---|");
    for (Measured row : rows.stream().filter(one -> one.figure().equals("activations")).toList()) {
      double each = 1e3 / row.value("examples");
      line(
          "| %s | %s | %.1f kB an example | %.3f ms | %.3f ms | %.3f ms | %.3f ms | %.3f ms |",
          row.data(),
          row.part(),
          row.value("bytes") / row.value("examples") / 1e3,
          row.value("seconds.model") * each,
          row.value("seconds.keeping") * each,
          row.value("seconds.reading") * each,
          (row.value("predicted.model") - row.value("predicted.read")) * each,
          (row.value("seconds.model") - row.value("seconds.reading")) * each);
    }
  }

  private void order() {
    line("| layer | operations | time a sample | faster |");
    line("|---|---|---|---|");
    for (Measured row : of("order", "cost")) {
      double each = 1e3 / row.value("samples");
      line(
          "| %s | %.1f times fewer | %.3f ms against %.3f ms | %.0f times |",
          row.data(),
          row.value("operations.formed") / row.value("operations.rotated"),
          row.value("seconds.rotated") * each,
          row.value("seconds.formed") * each,
          row.value("seconds.formed") / row.value("seconds.rotated"));
    }
  }

  private void datamodeling() {
    StringBuilder head = new StringBuilder("| seed | λ |");
    Curvatures.NAMES.forEach(name -> head.append(' ').append(name).append(" |"));
    line(head + " ekfac − kfac | diagonal − identity | agreement |");
    line("|---|---|" + "---|".repeat(Curvatures.NAMES.size() + 3));
    for (Measured row : of("lds", "lds")) {
      for (double damping : DatamodelingFigure.DAMPINGS) {
        StringBuilder cells = new StringBuilder("| " + row.seed() + " | " + damping + " |");
        for (String name : Curvatures.NAMES) {
          cells.append(' ').append(interval(row, name + "." + damping, "%.3f")).append(" |");
        }
        for (String name : List.of("ekfac-kfac", "diagonal-identity")) {
          cells.append(' ').append(interval(row, name + "." + damping, "%+.4f")).append(" |");
        }
        line(cells + String.format(Locale.ROOT, " %.2f |", row.value("agreement")));
      }
    }
  }

  private static String interval(Measured row, String name, String format) {
    return String.format(
        Locale.ROOT,
        format + " (" + format + " to " + format + ")",
        row.value(name),
        row.value(name + ".low"),
        row.value(name + ".high"));
  }

  private void response() {
    line("| what is correlated | seed | " + String.join(" | ", Curvatures.NAMES) + " |");
    line("|---|---|" + "---|".repeat(Curvatures.NAMES.size()));
    correlations("response", "proximal Bregman response");
    correlations("leftOut", "training without one");
  }

  private void correlations(String part, String title) {
    for (Measured row : of("counterfactual", part)) {
      StringBuilder cells = new StringBuilder("| " + title + " | " + row.seed() + " |");
      for (String name : Curvatures.NAMES) {
        cells.append(String.format(Locale.ROOT, " %.3f |", row.value(name)));
      }
      line(cells.toString());
    }
  }

  private void removal() {
    StringBuilder head = new StringBuilder("| removed by | seed |");
    for (int k : CounterfactualFigure.GRID) {
      head.append(' ').append(k).append(" |");
    }
    line(head.toString());
    line("|---|---|" + "---|".repeat(CounterfactualFigure.GRID.length));
    for (Measured row : of("counterfactual", "removal")) {
      for (String name : CounterfactualFigure.SUPPORTS) {
        StringBuilder cells = new StringBuilder("| " + name + " | " + row.seed() + " |");
        for (int k : CounterfactualFigure.GRID) {
          cells.append(
              String.format(
                  Locale.ROOT,
                  " %.2f, %s |",
                  row.value(name + ".fall." + k),
                  percent(row.value(name + ".flipped." + k))));
        }
        line(cells.toString());
      }
    }
  }

  private void mislabel() {
    line("| examples, epochs | seed | AUC | found within the top 10 % | within 20 % |");
    line("|---|---|---|---|---|");
    for (Measured row : of("mislabel", "found")) {
      line(
          "| %.0f, %.0f | %d | %.4f | %s | %s |",
          row.value("examples"),
          row.value("epochs"),
          row.seed(),
          row.value("auc"),
          percent(row.value("within10")),
          percent(row.value("within20")));
    }
  }

  private static String accuracyAndAttack(Measured row) {
    return percent(row.value("accuracy")) + ", " + percent(row.value("attack"));
  }

  private static String auc(Measured row, String name) {
    return decimals(row.value("auc." + name));
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  private void line(String format, Object... values) {
    text.append(values.length == 0 ? format : String.format(Locale.ROOT, format, values));
    text.append('\n');
  }
}
