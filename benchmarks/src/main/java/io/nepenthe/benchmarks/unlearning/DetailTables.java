package io.nepenthe.benchmarks.unlearning;

import static io.nepenthe.benchmarks.unlearning.Figures.mean;
import static io.nepenthe.benchmarks.unlearning.Figures.number;
import static io.nepenthe.benchmarks.unlearning.Figures.percent;
import static io.nepenthe.benchmarks.unlearning.Figures.values;

import io.nepenthe.unlearn.Methods;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** A table for every task and data set, and the settings chosen. */
final class DetailTables {
  private final Measured measured;
  private final Page page = new Page();

  DetailTables(Measured measured) {
    this.measured = measured;
  }

  String text() {
    for (String task : Tables.BACKDOORS) {
      measured.data(task).forEach(data -> backdoor(task, data));
    }
    for (String task : Tables.PRIVACY) {
      measured.data(task).forEach(data -> privacy(task, data));
    }
    for (String task : Tables.LARGER) {
      measured.complete(task).forEach(data -> privacy(task, data));
    }
    for (Data data : Data.values()) {
      interclass(data);
      labelNoise(data);
    }
    settings();
    return page.text();
  }

  /**
   * A column of a privacy table.
   *
   * @param shown what is in it, of a method's rows
   */
  private record Column(String title, Function<List<Row>, String> shown) {
    /** A metric's mean, {@code scale} times. */
    static Column mean(String title, String metric, double scale, int digits) {
      return new Column(title, rows -> number(scale * Figures.mean(values(rows, metric)), digits));
    }

    static Column percent(String title, String metric) {
      return new Column(title, rows -> Figures.percent(rows, metric));
    }
  }

  private void privacy(String task, Data data) {
    Row.Cell any = new Row.Cell(task, data.title(), 1, 0);
    boolean random = any.kind().equals("random");
    int seeds = measured.of(task, data, 1, "retrain").size();
    List<Column> columns = new ArrayList<>();
    columns.add(
        new Column("gap", rows -> Figures.spread(rows.stream().map(measured::gap).toList(), 2)));
    columns.add(Column.percent("UA", "unlearningAccuracy"));
    columns.add(Column.percent("RA", "retainAccuracy"));
    columns.add(Column.percent("TA", "testAccuracy"));
    columns.add(Column.percent("MIA-efficacy", "efficacyConfidence"));
    columns.add(Column.mean("entropy attack", "entropyAttack", 100, 1));
    if (random && data.isThorough()) {
      columns.add(Column.mean("loss attack", "lossAttack", 100, 1));
      columns.add(Column.mean("likelihood ratio", "likelihoodRatio", 100, 1));
    }
    int percents = columns.size();
    columns.add(Column.mean("KL", "klToRetrained", 1, 3));
    columns.add(Column.mean("last layer", "lastLayerSimilarity", 1, 3));
    if (data.isThorough()) {
      columns.add(
          new Column(
              "relearn (one seed)",
              rows -> number(mean(values(rows.subList(0, 1), "relearnTime")), 0)));
    }
    columns.add(Column.mean("seconds", "seconds", 1, 1));
    page.section(
        Figures.format(
            "Privacy, %s%s: %s",
            data.title(),
            any.isSized() ? ", " + Tables.images(task) : "",
            random ? "10 % at random" : "class " + Measurement.FORGOTTEN),
        Figures.format(
            "n = %d seeds, in order of the average gap; all in %% but the last %d columns.",
            seeds, columns.size() - percents));
    page.line("| method | %s |", String.join(" | ", columns.stream().map(Column::title).toList()));
    page.line("|%s", "---|".repeat(1 + columns.size()));
    for (String method :
        measured.methods(task, data, 1).stream().sorted(measured.byGap(task, data)).toList()) {
      List<Row> rows = measured.of(task, data, 1, method);
      List<String> cells = columns.stream().map(column -> column.shown.apply(rows)).toList();
      page.line(
          "| %s | %s |",
          Measured.title(method) + Measured.few(rows, seeds), String.join(" | ", cells));
    }
    page.line("");
  }

  private void backdoor(String task, Data data) {
    table(
        task,
        data,
        "Backdoor, " + data.title() + ", " + Tables.images(task),
        "Attack success / test accuracy, %, mean ± deviation over n seeds.",
        Arrays.stream(UnlearningTables.KNOWN).sorted().toArray(),
        rows -> percent(rows, "attackSuccessRate") + " / " + percent(rows, "testAccuracy"));
  }

  private void interclass(Data data) {
    table(
        "interclass",
        data,
        "Two classes taken for each other, " + data.title(),
        "Samples of the two classes taken for the other one / accuracy on the other classes, %.",
        UnlearningTables.EXTREMES,
        rows -> percent(rows, "confusionRate") + " / " + percent(rows, "utility"));
  }

  private void labelNoise(Data data) {
    table(
        "label-noise",
        data,
        "Label noise, " + data.title(),
        "Corrected accuracy: test images named rightly, %; training images of wrong labels no longer"
            + " named by them (UA), %.",
        UnlearningTables.EXTREMES,
        rows -> percent(rows, "correctedAccuracy") + " / " + percent(rows, "unlearningAccuracy"));
  }

  private void table(
      String task,
      Data data,
      String heading,
      String words,
      double[] shares,
      Function<List<Row>, String> shown) {
    if (measured.of(task, data, shares[0], "before").isEmpty()) {
      return;
    }
    page.section(heading, words);
    StringBuilder head = new StringBuilder("| method |");
    for (double known : shares) {
      int seeds = measured.of(task, data, known, "before").size();
      head.append(Figures.format(" %.0f %% known (n = %d) |", 100 * known, seeds));
    }
    page.line("%s seconds |", head);
    page.line("|---|%s---|", "---|".repeat(shares.length));
    for (String method : measured.methods(task, data, shares[0])) {
      StringBuilder cells = new StringBuilder();
      List<Double> seconds = new ArrayList<>();
      for (double known : shares) {
        List<Row> rows = measured.of(task, data, known, method);
        int seeds = measured.of(task, data, known, "before").size();
        cells
            .append(' ')
            .append(rows.isEmpty() ? "–" : shown.apply(rows))
            .append(Measured.few(rows, seeds))
            .append(" |");
        seconds.addAll(values(rows, "seconds"));
      }
      page.line("| %s |%s %s |", Measured.title(method), cells, number(mean(seconds), 1));
    }
    page.line("");
  }

  /** What was chosen. */
  private void settings() {
    List<String> tasks =
        Stream.of(Tables.PRIVACY, Tables.LARGER, List.of("badnets", "interclass", "label-noise"))
            .flatMap(List::stream)
            .filter(task -> !settled(task).isEmpty())
            .toList();
    page.section(
        "Settings chosen",
        "Glyphs, then MNIST, for privacy then CIFAR-10, of more images that alone; – for as published, blank"
            + " where not measured.");
    page.line("| method | strength | published | %s |", String.join(" | ", tasks));
    page.line("|---|---|---|%s", "---|".repeat(tasks.size()));
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      Tuning.strength(entry)
          .ifPresent(
              strength -> {
                StringBuilder cells = new StringBuilder();
                for (String task : tasks) {
                  List<String> chosen =
                      settled(task).stream().map(data -> chosen(task, data, entry.name())).toList();
                  cells.append(' ').append(String.join(", ", chosen)).append(" |");
                }
                page.line(
                    "| %s | %s | %s |%s",
                    entry.title(), strength.setting(), Figures.plain(strength.value()), cells);
              });
    }
    page.line("");
  }

  /** On what a task's strengths are shown. */
  private List<Data> settled(String task) {
    return Tables.LARGER.contains(task) ? measured.complete(task) : measured.data(task);
  }

  private String chosen(String task, Data data, String method) {
    return measured.rows().stream()
        .filter(row -> row.cell().task().equals(task) && row.cell().set() == data)
        .filter(row -> row.method().equals(method))
        .map(Row::settings)
        .findFirst()
        .map(
            text ->
                text.equals(Row.PUBLISHED)
                    ? "–"
                    : Figures.plain(Double.parseDouble(text.substring(text.indexOf('=') + 1))))
        .orElse("");
  }
}
