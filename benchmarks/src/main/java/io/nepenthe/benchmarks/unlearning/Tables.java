package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Methods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** The tables as Markdown, written between two marks of a page; the text around them stays. */
final class Tables {
  private static final String BEGIN = "<!-- measured: begin -->";
  private static final String END = "<!-- measured: end -->";
  private static final double[] KNOWN = {0.1, 0.3, 0.5, 1};

  private final List<Row> rows;
  private final StringBuilder text = new StringBuilder();

  private Tables(List<Row> rows) {
    this.rows = rows;
  }

  /** Replaces what is between the marks. */
  static void write(List<Row> rows, Path page) throws IOException {
    String old = Files.readString(page);
    int begin = old.indexOf(BEGIN);
    int end = old.indexOf(END);
    if (begin < 0 || end < begin) {
      throw new IOException(page + ": expected " + BEGIN + " and " + END);
    }
    Tables tables = new Tables(rows);
    for (String data : List.of("glyphs", "mnist")) {
      if (rows.stream().anyMatch(row -> row.cell().data().equals(data))) {
        tables.corrective(data);
        tables.privacy(data, "random");
        tables.privacy(data, "class");
      }
    }
    Files.writeString(
        page, old.substring(0, begin + BEGIN.length()) + "\n\n" + tables.text + old.substring(end));
  }

  /** Those that were measured on this. */
  private List<String> methods(String task, String data) {
    return Stream.concat(Stream.of("before"), Methods.all().stream().map(Methods.Entry::name))
        .filter(
            name ->
                rows.stream()
                    .anyMatch(
                        row ->
                            row.method().equals(name)
                                && row.cell().task().equals(task)
                                && row.cell().data().equals(data)))
        .toList();
  }

  private static String title(String method) {
    return method.equals("before") ? "*as trained*" : Methods.named(method).title();
  }

  private List<Row> of(String task, String data, double known, String method) {
    return rows.stream()
        .filter(
            row ->
                row.cell().anySeed().equals(new Row.Cell(task, data, known, 0))
                    && row.method().equals(method))
        .toList();
  }

  private void corrective(String data) {
    line("### Backdoor, %s", data);
    line("");
    line("Attack success / test accuracy, %%, mean ± deviation over n seeds.");
    line("");
    StringBuilder head = new StringBuilder("| method |");
    StringBuilder rule = new StringBuilder("|---|");
    for (double known : KNOWN) {
      int seeds = of("corrective", data, known, "before").size();
      head.append(format(" %.0f %% known (n = %d) |", 100 * known, seeds));
      rule.append("---|");
    }
    line("%s healed, points lost | seconds |", head);
    line("%s---|---|", rule);
    for (String method : methods("corrective", data)) {
      StringBuilder cells = new StringBuilder();
      List<Double> healed = new ArrayList<>();
      List<Double> lost = new ArrayList<>();
      List<Double> seconds = new ArrayList<>();
      for (double known : KNOWN) {
        List<Row> measured = of("corrective", data, known, method);
        cells.append(
            format(
                " %s / %s |",
                percent(measured, "attackSuccessRate"), percent(measured, "testAccuracy")));
        for (Row row : measured) {
          before(row)
              .ifPresent(
                  before -> {
                    healed.add(
                        1 - row.value("attackSuccessRate") / before.value("attackSuccessRate"));
                    lost.add(before.value("testAccuracy") - row.value("testAccuracy"));
                  });
          seconds.add(row.value("seconds"));
        }
      }
      line(
          "| %s |%s %s %%, %s | %s |",
          title(method),
          cells,
          number(100 * mean(healed), 1),
          number(100 * mean(lost), 2),
          number(mean(seconds), 1));
    }
    line("");
  }

  private Optional<Row> before(Row row) {
    return rows.stream()
        .filter(other -> other.cell().equals(row.cell()) && other.method().equals("before"))
        .findFirst();
  }

  private Optional<Row> retrained(Row row) {
    return rows.stream()
        .filter(other -> other.cell().equals(row.cell()) && other.method().equals("retrain"))
        .findFirst();
  }

  private static final List<String> COMPARED =
      List.of("unlearningAccuracy", "retainAccuracy", "testAccuracy", "efficacyConfidence");

  /** The mean over UA, RA, TA and MIA of the distance to retraining, in points. */
  private double gap(Row row) {
    return retrained(row)
        .map(
            reference ->
                100
                    * COMPARED.stream()
                        .mapToDouble(name -> Math.abs(row.value(name) - reference.value(name)))
                        .average()
                        .orElse(Double.NaN))
        .orElse(Double.NaN);
  }

  private void privacy(String data, String task) {
    int seeds = of(task, data, 1, "retrain").size();
    if (seeds == 0) {
      return;
    }
    line(
        "### Privacy, %s: %s (n = %d)",
        data, task.equals("random") ? "10 % at random" : "class " + Measurement.FORGOTTEN, seeds);
    line("");
    line("In order of the average gap; all but the last three columns in %%.");
    line("");
    line(
        "| method | gap | UA | RA | TA | MIA-efficacy | entropy attack | KL | distance | seconds |");
    line("|---|---|---|---|---|---|---|---|---|---|");
    Comparator<String> byGap =
        Comparator.comparingDouble(
            method -> mean(of(task, data, 1, method).stream().map(this::gap).toList()));
    for (String method : methods(task, data).stream().sorted(byGap).toList()) {
      List<Row> measured = of(task, data, 1, method);
      line(
          "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |",
          title(method),
          spread(measured.stream().map(this::gap).toList(), 2),
          percent(measured, "unlearningAccuracy"),
          percent(measured, "retainAccuracy"),
          percent(measured, "testAccuracy"),
          percent(measured, "efficacyConfidence"),
          percent(measured, "entropyAttack"),
          number(mean(values(measured, "klToRetrained")), 3),
          number(mean(values(measured, "activationDistance")), 3),
          number(mean(values(measured, "seconds")), 1));
    }
    line("");
  }

  private static List<Double> values(List<Row> measured, String name) {
    return measured.stream().map(row -> row.value(name)).toList();
  }

  private static String percent(List<Row> measured, String name) {
    return spread(values(measured, name).stream().map(value -> 100 * value).toList(), 1);
  }

  private static String spread(List<Double> values, int digits) {
    String mean = number(mean(values), digits);
    return values.size() < 2 ? mean : mean + " ± " + number(deviation(values), digits);
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  /** The sample deviation. */
  private static double deviation(List<Double> values) {
    double mean = mean(values);
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(squares / (values.size() - 1));
  }

  private static String number(double value, int digits) {
    return Double.isNaN(value) ? "–" : format("%." + digits + "f", value);
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private void line(String format, Object... values) {
    text.append(format(format, values)).append('\n');
  }
}
