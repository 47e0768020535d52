package io.nepenthe.benchmarks;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The table of operations in the README: what each reaches of the limit that binds it. */
final class ReadmeTable {
  private static final String BEGIN = "<!-- figures: written by benchmarks.jar report -->\n";
  private static final String END = "<!-- end of figures -->";

  /**
   * What the table shows of an operation.
   *
   * @param name of the operation and its benchmark's method
   * @param parameter and its value that choose one of its rows; empty for the only one
   * @param setting in words
   */
  private record Line(String name, String parameter, String value, String setting) {}

  private static final List<Line> LINES =
      List.of(
          new Line("squareGradients", "layer", "64-64-3x3-32", "convolution 64→64, 3×3, 32²"),
          new Line("squareGradients", "layer", "512-512-3x3-4", "convolution 512→512, 3×3, 4²"),
          new Line("squareGradients", "layer", "1024-1024", "linear 1024→1024"),
          new Line("dampen", "selected", "0.5", "11.2 million weights, half selected"),
          new Line("selectTop", "", "", "11.2 million weights, ten ratios"),
          new Line("accumulateSquare", "", "", "11.2 million values"),
          new Line("maskedSgd", "", "", "11.2 million weights"),
          new Line("maskedAdam", "", "", "11.2 million weights"));

  private ReadmeTable() {}

  /**
   * The README with its table replaced.
   *
   * @throws IllegalArgumentException if it has no place for the table
   */
  static String replace(String readme, List<Report> reports) {
    int begin = readme.indexOf(BEGIN);
    int end = readme.indexOf(END);
    if (begin < 0 || end < begin) {
      throw new IllegalArgumentException("no \"" + BEGIN.strip() + "\" … \"" + END + "\" found");
    }
    return readme.substring(0, begin + BEGIN.length()) + table(reports) + readme.substring(end);
  }

  private static String table(List<Report> reports) {
    Report first = reports.getFirst();
    String threads =
        first.roofs().keySet().stream().max(Comparator.comparingInt(Integer::parseInt)).orElse("");
    List<String> lines = new ArrayList<>();
    lines.add("| operation | size | time | of its roof | CUDA |");
    lines.add("|---|---|---:|---|---|");
    for (Line line : LINES) {
      row(line, threads, reports)
          .ifPresent(
              row ->
                  lines.add(
                      String.format(
                          Locale.ROOT,
                          "| `%s` | %s | %.1f ms | %.0f %% of %s | not measured |",
                          line.name,
                          line.setting,
                          row.milliseconds(),
                          100 * row.fraction(),
                          row.roof().equals("triad") ? "bandwidth" : "multiply-adds")));
    }
    lines.add("");
    lines.add(
        String.format(
            Locale.ROOT,
            "%s, %s threads, %s; %s. All figures: [docs/performance.md](docs/performance.md).",
            first.machine().processor(),
            threads,
            first.machine().instructionSet(),
            first.date().substring(0, 10)));
    return String.join("\n", lines) + "\n";
  }

  private static Optional<Report.Row> row(Line line, String threads, List<Report> reports) {
    return reports.stream()
        .flatMap(report -> report.rows().stream())
        .filter(row -> row.benchmark().endsWith("Benchmark." + line.name))
        .filter(row -> threads.equals(row.parameters().get("threads")))
        .filter(
            row ->
                line.parameter.isEmpty() || line.value.equals(row.parameters().get(line.parameter)))
        .findFirst();
  }
}
