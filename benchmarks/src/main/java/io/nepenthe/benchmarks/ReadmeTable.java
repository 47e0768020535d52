package io.nepenthe.benchmarks;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** The table of operations in the README: what each reaches of the limit that binds it. */
final class ReadmeTable {
  /**
   * What the table shows of an operation.
   *
   * @param name of the operation and its benchmark's method
   * @param parameter and its value that choose one of its rows; empty for the only one
   * @param setting in words
   * @param device the beginning of its name among a GPU's figures, whose sizes are larger
   */
  private record Line(String name, String parameter, String value, String setting, String device) {}

  private static final List<Line> LINES =
      List.of(
          new Line(
              "squareGradients",
              "layer",
              "64-64-3x3-32",
              "convolution 64→64, 3×3, 32²",
              "squareGradients 64→64 32² "),
          new Line(
              "squareGradients",
              "layer",
              "512-512-3x3-4",
              "convolution 512→512, 3×3, 4²",
              "squareGradients 512→512 4² "),
          new Line("squareGradients", "layer", "1024-1024", "linear 1024→1024", "-"),
          weights("dampen", "selected", "0.5", "11.2 million weights, half selected"),
          weights("selectTop", "", "", "11.2 million weights, ten ratios"),
          weights("accumulateSquare", "", "", "11.2 million values"),
          weights("maskedSgd", "", "", "11.2 million weights"),
          weights("maskedAdam", "", "", "11.2 million weights"));

  private ReadmeTable() {}

  private static Line weights(String name, String parameter, String value, String setting) {
    return new Line(name, parameter, value, setting, name);
  }

  /**
   * The README with its table replaced.
   *
   * @throws IllegalArgumentException if it has no place for the table
   */
  static String replace(String readme, List<Report> reports, List<GpuFigure> gpu) {
    return Marked.replace(readme, "operations", table(reports, gpu));
  }

  private static String table(List<Report> reports, List<GpuFigure> gpu) {
    Report first = reports.getFirst();
    String threads =
        first.roofs().keySet().stream().max(Comparator.comparingInt(Integer::parseInt)).orElse("");
    List<String> lines = new ArrayList<>();
    lines.add("| operation | size | time | of its roof | on a GPU, of its roof |");
    lines.add("|---|---|---:|---|---|");
    for (Line line : LINES) {
      row(line, threads, reports)
          .ifPresent(
              row ->
                  lines.add(
                      String.format(
                          Locale.ROOT,
                          "| `%s` | %s | %.1f ms | %.0f %% of %s | %s |",
                          line.name,
                          line.setting,
                          row.milliseconds(),
                          100 * row.fraction(),
                          row.roof().equals("triad") ? "bandwidth" : "multiply-adds",
                          onDevice(line, gpu))));
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

  /** Each precision's fraction, as in "81 % TF32". */
  private static String onDevice(Line line, List<GpuFigure> gpu) {
    String all =
        gpu.stream()
            .filter(figure -> figure.name().startsWith(line.device))
            .map(
                figure ->
                    String.format(Locale.ROOT, "%.0f %% ", 100 * figure.fractionOfRoof())
                        + figure.name().substring(line.device.length()).strip())
            .map(String::strip)
            .collect(Collectors.joining(", "));
    return all.isEmpty() ? "not measured" : all;
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
