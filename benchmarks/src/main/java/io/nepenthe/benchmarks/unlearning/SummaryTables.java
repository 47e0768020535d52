package io.nepenthe.benchmarks.unlearning;

import static io.nepenthe.benchmarks.unlearning.Figures.mean;
import static io.nepenthe.benchmarks.unlearning.Figures.number;

import io.nepenthe.unlearn.Methods;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** One table a question: what heals, what comes near to retraining. */
final class SummaryTables {
  /** The method whose place is looked at. */
  private static final String LOOKED_AT = "salun";

  private final Measured measured;
  private final Page page = new Page();

  SummaryTables(Measured measured) {
    this.measured = measured;
  }

  /** A privacy table. */
  private record Setting(String task, Data data) {
    String title() {
      Row.Cell any = new Row.Cell(task, data.title(), 1, 0);
      return data.title()
          + (any.kind().equals("random") ? ", 10 %" : ", class")
          + (any.isSized() ? ", " + Tables.images(task) : "");
    }
  }

  String text() {
    Tables.BACKDOORS.forEach(this::healing);
    corrections();
    List<Setting> settings = new ArrayList<>();
    for (Data data : Data.values()) {
      for (String task : Tables.PRIVACY) {
        if (measured.data(task).contains(data)) {
          settings.add(new Setting(task, data));
        }
      }
    }
    List<Setting> larger =
        Tables.LARGER.stream()
            .flatMap(task -> measured.complete(task).stream().map(data -> new Setting(task, data)))
            .toList();
    if (!settings.isEmpty()) {
      privacy(
          "Privacy: the gap to retraining, all tables",
          "Means over the seeds, in points, in order of their mean over the tables of 2,000 images.",
          settings,
          larger);
      if (larger.size() == Tables.LARGER.size()) {
        privacy(
            "Privacy: the gap to retraining, 7,000 photographs",
            "Means over the seeds, in points, in order of the mean of both.",
            larger,
            List.of());
      }
      settings.addAll(larger);
      places(settings);
    }
    return page.text();
  }

  /** How much of the attack's success is gone, and how much accuracy, over everything. */
  private void healing(String task) {
    List<Data> sets = measured.data(task);
    if (sets.isEmpty()) {
      return;
    }
    page.section(
        "Backdoor: healed, and accuracy lost, " + Tables.images(task),
        "Mean over all seeds and known shares: share of the attack's success that is gone, %;",
        "points of test accuracy lost.");
    head("method", sets.stream().map(Data::title).toList(), "both");
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      List<String> cells = new ArrayList<>();
      List<Row> both = new ArrayList<>();
      for (Data data : sets) {
        List<Row> rows =
            Arrays.stream(UnlearningTables.KNOWN)
                .mapToObj(known -> measured.of(task, data, known, entry.name()))
                .flatMap(List::stream)
                .toList();
        cells.add(healed(rows));
        both.addAll(rows);
      }
      if (!both.isEmpty()) {
        row(entry.title(), cells, healed(both));
      }
    }
    page.line("");
  }

  private String healed(List<Row> rows) {
    double healed = meanOf(rows, (row, before) -> 1 - ratio("attackSuccessRate", row, before));
    return rows.isEmpty() ? "–" : number(100 * healed, 1) + " %, " + number(lost(rows), 2);
  }

  private static double ratio(String metric, Row row, Row before) {
    return row.value(metric) / before.value(metric);
  }

  /** Test accuracy, in points. */
  private double lost(List<Row> rows) {
    return meanOf(
        rows, (row, before) -> 100 * (before.value("testAccuracy") - row.value("testAccuracy")));
  }

  /** What is said of a row and that of the model as trained. */
  private interface Change {
    double of(Row row, Row before);
  }

  private double meanOf(List<Row> rows, Change change) {
    return mean(
        rows.stream()
            .map(row -> change.of(row, measured.sameCell(row, "before").orElseThrow()))
            .toList());
  }

  /** Wrong labels: the points of accuracy gained. */
  private void corrections() {
    List<String> tasks =
        List.of("interclass", "label-noise").stream()
            .filter(task -> !measured.data(task).isEmpty())
            .toList();
    if (tasks.isEmpty()) {
      return;
    }
    page.section(
        "Wrong labels: accuracy gained",
        "Points of test accuracy (of all classes) gained over the model as trained, mean over both data"
            + " sets and all seeds, where",
        "a tenth or all of the wrong labels are known.");
    List<String> columns = new ArrayList<>();
    for (String task : tasks) {
      for (double known : UnlearningTables.EXTREMES) {
        String title = task.equals("interclass") ? "two classes confused" : "label noise";
        columns.add(Figures.format("%s, %.0f %% known", title, 100 * known));
      }
    }
    head("method", columns);
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      List<String> cells = new ArrayList<>();
      for (String task : tasks) {
        for (double known : UnlearningTables.EXTREMES) {
          List<Row> rows =
              measured.data(task).stream()
                  .flatMap(data -> measured.of(task, data, known, entry.name()).stream())
                  .toList();
          cells.add(rows.isEmpty() ? "–" : number(-lost(rows), 1));
        }
      }
      row(entry.title(), cells);
    }
    page.line("");
  }

  /**
   * The gaps of several privacy tables; a method that is not in all of them is last.
   *
   * @param apart what has a column, and no part in the mean
   */
  private void privacy(String title, String words, List<Setting> settings, List<Setting> apart) {
    page.section(title, words);
    head(
        "method",
        settings.stream().map(Setting::title).toList(),
        Stream.concat(Stream.of("mean"), apart.stream().map(Setting::title))
            .toArray(String[]::new));
    Function<String, List<Double>> gaps =
        method -> settings.stream().map(it -> gap(it, method)).toList();
    for (String method : byMean(gaps)) {
      List<Double> each = gaps.apply(method);
      row(
          Measured.title(method),
          each.stream().map(value -> number(value, 2)).toList(),
          Stream.concat(Stream.of(mean(each)), apart.stream().map(setting -> gap(setting, method)))
              .map(value -> number(value, 2))
              .toArray(String[]::new));
    }
    page.line("");
  }

  private double gap(Setting setting, String method) {
    return measured.meanGap(setting.task, setting.data, method);
  }

  private List<String> byMean(Function<String, List<Double>> gaps) {
    ToDoubleFunction<String> mean = method -> mean(gaps.apply(method));
    return UnlearningTables.METHODS.stream()
        .map(Methods.Entry::name)
        .filter(method -> gaps.apply(method).stream().anyMatch(gap -> !gap.isNaN()))
        .sorted(Comparator.comparingDouble(mean))
        .toList();
  }

  /** Where one method stands in each table, and how far from the best, seed by seed. */
  private void places(List<Setting> settings) {
    String title = Measured.title(LOOKED_AT);
    page.section(
        title + "'s place",
        "Its gap and the distances of UA, RA, TA and MIA-efficacy from retraining of which it is the mean;"
            + " then its gap less that",
        "of the three best others, by seed: mean ± deviation and t, the mean over its standard error. All"
            + " in points but t, which at",
        "5 % is no chance beyond ±2.8 for n = 5, ±3.2 for n = 4 and ±4.3 for n = 3, for one comparison;"
            + " negative where "
            + title
            + " is nearer.");
    head("table", List.of("place", "gap", "UA, RA, TA, MIA"), "first", "second", "third");
    for (Setting setting : settings) {
      List<String> order =
          UnlearningTables.METHODS.stream()
              .map(Methods.Entry::name)
              .filter(name -> !name.equals("retrain") && !Double.isNaN(gap(setting, name)))
              .sorted(measured.byGap(setting.task, setting.data))
              .toList();
      int place = order.indexOf(LOOKED_AT);
      if (place >= 0) {
        List<String> others =
            order.stream().filter(name -> !name.equals(LOOKED_AT)).limit(3).toList();
        List<String> cells = new ArrayList<>();
        cells.add(Figures.format("%d of %d", place + 1, order.size()));
        cells.add(number(gap(setting, LOOKED_AT), 2));
        cells.add(distances(setting));
        others.forEach(other -> cells.add(difference(setting, other)));
        cells.addAll(Collections.nCopies(3 - others.size(), "–"));
        row(setting.title(), cells);
      }
    }
    page.line("");
  }

  private String distances(Setting setting) {
    List<List<Double>> bySeed =
        measured.of(setting.task, setting.data, 1, LOOKED_AT).stream()
            .map(row -> Tuning.distances(row, measured.sameCell(row, "retrain").orElseThrow()))
            .toList();
    return IntStream.range(0, bySeed.getFirst().size())
        .mapToObj(i -> number(100 * mean(bySeed.stream().map(each -> each.get(i)).toList()), 1))
        .collect(Collectors.joining(", "));
  }

  /** By seed, where both have it. */
  private String difference(Setting setting, String other) {
    Map<Long, Double> theirs =
        measured.of(setting.task, setting.data, 1, other).stream()
            .collect(Collectors.toMap(row -> row.cell().seed(), measured::gap));
    List<Double> each =
        measured.of(setting.task, setting.data, 1, LOOKED_AT).stream()
            .filter(row -> theirs.containsKey(row.cell().seed()))
            .map(row -> measured.gap(row) - theirs.get(row.cell().seed()))
            .toList();
    double t = mean(each) / Figures.deviation(each) * Math.sqrt(each.size());
    return Figures.format(
        "%s: %s, t = %s (n = %d)",
        Measured.title(other), Figures.spread(each, 2), number(t, 1), each.size());
  }

  private void head(String first, List<String> columns, String... last) {
    row(first, columns, last);
    page.line("|%s", "---|".repeat(1 + columns.size() + last.length));
  }

  private void row(String title, List<String> cells, String... last) {
    List<String> all = new ArrayList<>(List.of(title));
    all.addAll(cells);
    all.addAll(List.of(last));
    page.line("| %s |", String.join(" | ", all));
  }
}
