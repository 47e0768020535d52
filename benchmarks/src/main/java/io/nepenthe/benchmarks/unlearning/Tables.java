package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.benchmarks.Marked;
import io.nepenthe.unlearn.Methods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The tables as Markdown, written between the {@link Marked} lines of a page. */
final class Tables {
  private static final List<String> DATA = List.of("glyphs", "mnist");
  private static final List<String> BACKDOORS = List.of("badnets", "badnets-5000");
  private static final List<String> PRIVACY = List.of("random", "class");

  private final List<Row> rows;
  private final StringBuilder text = new StringBuilder();

  private Tables(List<Row> rows) {
    this.rows = rows;
  }

  /** Replaces what is between the marks. */
  static void write(List<Row> rows, Path page) throws IOException {
    Tables tables = new Tables(rows);
    BACKDOORS.forEach(tables::healing);
    tables.privacy();
    for (String task : BACKDOORS) {
      for (String data : DATA) {
        tables.backdoor(task, data);
      }
    }
    for (String task : PRIVACY) {
      for (String data : DATA) {
        tables.privacy(data, task);
      }
    }
    for (String data : DATA) {
      tables.interclass(data);
      tables.labelNoise(data);
    }
    tables.settings();
    String text = tables.text.toString().stripTrailing() + "\n";
    Files.writeString(page, Marked.replace(Files.readString(page), "measured", text));
  }

  private List<Row> of(String task, String data, double known, String method) {
    return rows.stream()
        .filter(row -> !row.cell().isTuning())
        .filter(row -> row.cell().withSeed(0).equals(new Row.Cell(task, data, known, 0)))
        .filter(row -> row.method().equals(method))
        .toList();
  }

  /** Those that were measured on this. */
  private List<String> methods(String task, String data, double known) {
    return Stream.concat(
            Stream.of("before"), UnlearningTables.METHODS.stream().map(Methods.Entry::name))
        .filter(name -> !of(task, data, known, name).isEmpty())
        .toList();
  }

  private static String title(String method) {
    return method.equals("before") ? "*as trained*" : Methods.named(method).title();
  }

  private Optional<Row> sameCell(Row row, String method) {
    return rows.stream()
        .filter(other -> other.cell().equals(row.cell()) && other.method().equals(method))
        .findFirst();
  }

  /** In points. */
  private double gap(Row row) {
    return sameCell(row, "retrain")
        .map(retrained -> 100 * Tuning.gap(row, retrained))
        .orElse(Double.NaN);
  }

  /** The gaps of all privacy tables, for the methods that are in all of them. */
  private void privacy() {
    Map<String, List<Double>> gaps = new LinkedHashMap<>();
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      List<Double> each = new ArrayList<>();
      for (String task : PRIVACY) {
        for (String data : DATA) {
          each.add(meanGap(data, task, entry.name()));
        }
      }
      if (each.stream().noneMatch(gap -> gap.isNaN())) {
        gaps.put(entry.title(), each);
      }
    }
    if (gaps.isEmpty()) {
      return;
    }
    line("### Privacy: the gap to retraining, all tables");
    line("");
    line("Means over the seeds, in points, in order of their mean over the four tables below.");
    line("");
    line("| method | 10 %% at random, glyphs | mnist | class, glyphs | mnist | mean |");
    line("|---|---|---|---|---|---|");
    gaps.entrySet().stream()
        .sorted(Comparator.comparingDouble(gap -> mean(gap.getValue())))
        .forEach(
            gap ->
                line(
                    "| %s | %s | %s |",
                    gap.getKey(),
                    gap.getValue().stream()
                        .map(value -> number(value, 2))
                        .collect(Collectors.joining(" | ")),
                    number(mean(gap.getValue()), 2)));
    line("");
  }

  private double meanGap(String data, String task, String method) {
    return mean(of(task, data, 1, method).stream().map(this::gap).toList());
  }

  private void privacy(String data, String task) {
    int seeds = of(task, data, 1, "retrain").size();
    if (seeds == 0) {
      return;
    }
    boolean random = task.equals("random");
    line("### Privacy, %s: %s", data, random ? "10 % at random" : "class " + Measurement.FORGOTTEN);
    line("");
    line(
        "n = %d seeds, in order of the average gap; all in %% but the last %s columns.",
        seeds, random ? "five" : "four");
    line("");
    line(
        "| method | gap | UA | RA | TA | MIA-efficacy | entropy attack |%s KL | last layer | relearn"
            + " (one seed) | seconds |",
        random ? " loss attack | likelihood ratio |" : "");
    line("|---|---|---|---|---|---|---|%s---|---|---|---|", random ? "---|---|" : "");
    Comparator<String> byGap = Comparator.comparingDouble(method -> meanGap(data, task, method));
    for (String method : methods(task, data, 1).stream().sorted(byGap).toList()) {
      List<Row> measured = of(task, data, 1, method);
      line(
          "| %s | %s | %s | %s | %s | %s | %s |%s %s | %s | %s | %s |",
          title(method) + few(measured, seeds),
          spread(measured.stream().map(this::gap).toList(), 2),
          percent(measured, "unlearningAccuracy"),
          percent(measured, "retainAccuracy"),
          percent(measured, "testAccuracy"),
          percent(measured, "efficacyConfidence"),
          number(100 * mean(values(measured, "entropyAttack")), 1),
          random
              ? " %s | %s |"
                  .formatted(
                      number(100 * mean(values(measured, "lossAttack")), 1),
                      number(100 * mean(values(measured, "likelihoodRatio")), 1))
              : "",
          number(mean(values(measured, "klToRetrained")), 3),
          number(mean(values(measured, "lastLayerSimilarity")), 3),
          number(mean(values(measured.subList(0, 1), "relearnTime")), 0),
          number(mean(values(measured, "seconds")), 1));
    }
    line("");
  }

  private void backdoor(String task, String data) {
    table(
        task,
        data,
        "### Backdoor, " + data + ", " + images(task),
        "Attack success / test accuracy, %, mean ± deviation over n seeds.",
        Arrays.stream(UnlearningTables.KNOWN).sorted().toArray(),
        measured ->
            percent(measured, "attackSuccessRate") + " / " + percent(measured, "testAccuracy"));
  }

  /** How many images a backdoor is hidden among. */
  private static String images(String task) {
    int images = new Row.Cell(task, "", 1, 0).images();
    return format("%,d images", images);
  }

  private void interclass(String data) {
    table(
        "interclass",
        data,
        "### Two classes taken for each other, " + data,
        "Samples of the two classes taken for the other one / accuracy on the other classes, %.",
        UnlearningTables.EXTREMES,
        measured -> percent(measured, "confusionRate") + " / " + percent(measured, "utility"));
  }

  private void labelNoise(String data) {
    table(
        "label-noise",
        data,
        "### Label noise, " + data,
        "Corrected accuracy: test images named rightly, %; training images of wrong labels no longer"
            + " named by them (UA), %.",
        UnlearningTables.EXTREMES,
        measured ->
            percent(measured, "correctedAccuracy")
                + " / "
                + percent(measured, "unlearningAccuracy"));
  }

  /** What is in a cell. */
  private interface Shown {
    String of(List<Row> measured);
  }

  private void table(
      String task, String data, String heading, String words, double[] shares, Shown shown) {
    if (of(task, data, shares[0], "before").isEmpty()) {
      return;
    }
    line("%s", heading);
    line("");
    line("%s", words);
    line("");
    StringBuilder head = new StringBuilder("| method |");
    for (double known : shares) {
      int seeds = of(task, data, known, "before").size();
      head.append(format(" %.0f %% known (n = %d) |", 100 * known, seeds));
    }
    line("%s seconds |", head);
    line("|---|%s---|", "---|".repeat(shares.length));
    for (String method : methods(task, data, shares[0])) {
      StringBuilder cells = new StringBuilder();
      List<Double> seconds = new ArrayList<>();
      for (double known : shares) {
        List<Row> measured = of(task, data, known, method);
        int seeds = of(task, data, known, "before").size();
        cells
            .append(' ')
            .append(measured.isEmpty() ? "–" : shown.of(measured))
            .append(few(measured, seeds))
            .append(" |");
        seconds.addAll(values(measured, "seconds"));
      }
      line("| %s |%s %s |", title(method), cells, number(mean(seconds), 1));
    }
    line("");
  }

  /** How much of the attack's success is gone, and how much accuracy, over everything. */
  private void healing(String task) {
    if (of(task, DATA.getFirst(), 0.1, "before").isEmpty()) {
      return;
    }
    line("### Backdoor: healed, and accuracy lost, %s", images(task));
    line("");
    line("Mean over all seeds and known shares: share of the attack's success that is gone, %%;");
    line("points of test accuracy lost.");
    line("");
    line("| method | %s | both |", String.join(" | ", DATA));
    line("|---|%s---|", "---|".repeat(DATA.size()));
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      StringBuilder cells = new StringBuilder();
      List<Row> both = new ArrayList<>();
      for (String data : DATA) {
        List<Row> measured =
            Arrays.stream(UnlearningTables.KNOWN)
                .mapToObj(known -> of(task, data, known, entry.name()))
                .flatMap(List::stream)
                .toList();
        cells.append(' ').append(healed(measured)).append(" |");
        both.addAll(measured);
      }
      if (!both.isEmpty()) {
        line("| %s |%s %s |", entry.title(), cells, healed(both));
      }
    }
    line("");
  }

  private String healed(List<Row> measured) {
    List<Double> healed = new ArrayList<>();
    List<Double> lost = new ArrayList<>();
    for (Row row : measured) {
      Row before = sameCell(row, "before").orElseThrow();
      healed.add(100 * (1 - row.value("attackSuccessRate") / before.value("attackSuccessRate")));
      lost.add(100 * (before.value("testAccuracy") - row.value("testAccuracy")));
    }
    return measured.isEmpty() ? "–" : number(mean(healed), 1) + " %, " + number(mean(lost), 2);
  }

  /** What was chosen. */
  private void settings() {
    List<String> tasks =
        Stream.of("random", "class", "badnets", "interclass", "label-noise")
            .filter(task -> rows.stream().anyMatch(row -> isReported(row, task)))
            .toList();
    line("### Settings chosen");
    line("");
    line("Glyphs, then MNIST; – for as published.");
    line("");
    line("| method | strength | published | %s |", String.join(" | ", tasks));
    line("|---|---|---|%s", "---|".repeat(tasks.size()));
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      Tuning.strength(entry)
          .ifPresent(
              strength -> {
                StringBuilder cells = new StringBuilder();
                for (String task : tasks) {
                  List<String> chosen =
                      DATA.stream().map(data -> chosen(task, data, entry.name())).toList();
                  cells.append(' ').append(String.join(", ", chosen)).append(" |");
                }
                line(
                    "| %s | %s | %s |%s",
                    entry.title(), strength.setting(), plain(strength.value()), cells);
              });
    }
    line("");
  }

  private static boolean isReported(Row row, String task) {
    return !row.cell().isTuning() && row.cell().task().equals(task);
  }

  private String chosen(String task, String data, String method) {
    return rows.stream()
        .filter(row -> isReported(row, task) && row.method().equals(method))
        .filter(row -> row.cell().data().equals(data))
        .map(Row::settings)
        .findFirst()
        .map(
            text ->
                text.equals(Row.PUBLISHED)
                    ? "–"
                    : plain(Double.parseDouble(text.substring(text.indexOf('=') + 1))))
        .orElse("");
  }

  private static String plain(double value) {
    return format("%.3g", value)
        .replaceAll("(\\.\\d*?)0+(e|$)", "$1$2")
        .replaceAll("\\.(e|$)", "$1");
  }

  /** A note where a method has fewer seeds than its neighbours. */
  private static String few(List<Row> measured, int seeds) {
    return measured.isEmpty() || measured.size() == seeds
        ? ""
        : format(" (n = %d)", measured.size());
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
