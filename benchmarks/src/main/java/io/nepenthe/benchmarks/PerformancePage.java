package io.nepenthe.benchmarks;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The page of measured figures, in Markdown. */
final class PerformancePage {
  private static final String HEAD =
      """
      # Performance

      Every figure on this page was written by

      ```
      java -jar benchmarks/target/benchmarks.jar report --readme README.md %s
      ```

      from reports of `java -jar benchmarks/target/benchmarks.jar`; `benchmarks/record` does all of it, and
      [profiling](profiling.md) says how to make and read others. Times are means with the half width of their
      99.9 %% interval. A kernel's roof is what binds it, by bytes moved and operations done: measured memory
      bandwidth (triad) or the measured rate of multiply-adds in registers, on as many threads, in the same run.
      Heap is what the whole virtual machine allocated a call, its compiler threads included: long calls carry
      more of that.

      """;

  private PerformancePage() {}

  /**
   * A report and where it lies.
   *
   * @param file as given
   */
  record Source(String file, Report report) {}

  /**
   * A record of scaling and where it lies.
   *
   * @param file as given
   */
  record Growth(String file, Scaling scaling) {}

  /**
   * Figures of a GPU and where they lie.
   *
   * @param file as given
   */
  record Gpu(String file, List<GpuFigure> figures) {}

  static String of(List<Source> sources, Optional<Growth> growth, Optional<Gpu> gpu) {
    StringBuilder page = new StringBuilder();
    String files =
        growth.map(record -> "--scaling " + record.file() + " ").orElse("")
            + gpu.map(record -> "--gpu " + record.file() + " ").orElse("")
            + sources.stream().map(Source::file).collect(Collectors.joining(" "));
    page.append(String.format(Locale.ROOT, HEAD, files));
    for (Source source : sources) {
      run(page, source);
    }
    List<Report.Row> rows =
        sources.stream().flatMap(source -> source.report().rows().stream()).toList();
    page.append("\n## Kernels under their roofs\n\n![Roofline](roofline.svg)\n\n");
    kernels(page, rows);
    page.append("\n## Whole passes and calls\n\n");
    passes(page, rows);
    page.append("\n## Beside others, in the same run\n\n");
    for (Source source : sources) {
      peers(page, source.report().rows());
    }
    growth.ifPresent(record -> scaling(page, record));
    gpu(page, gpu);
    return page.toString();
  }

  private static void scaling(StringBuilder page, Growth growth) {
    Scaling scaling = growth.scaling();
    page.append("## Growth with the size of the work\n\n");
    line(
        page,
        "Written by `benchmarks.jar scaling` to `%s`: %s, %d cores; commit %s; %s. Exponents are those of the"
            + " best-fitting power; seconds are the fastest of the repetitions, memory the process's"
            + " largest resident set, the virtual machine included.\n",
        growth.file(),
        scaling.machine().processor(),
        scaling.machine().cores(),
        scaling.commit(),
        scaling.date());
    for (Scaling.Series series : scaling.series()) {
      line(
          page,
          "**%s**: time grows as %s to the power of %.2f, memory to the power of %.2f.%s\n",
          series.work(),
          series.size(),
          series.timeExponent(),
          series.memoryExponent(),
          series.note().isEmpty() ? "" : " " + series.note());
      line(page, "| %s | seconds | MB |\n|---:|---:|---:|", series.size());
      for (Scaling.Point point : series.points()) {
        line(page, "| %,d | %.6f | %.0f |", point.size(), point.seconds(), point.bytes() / 1e6);
      }
      page.append('\n');
    }
  }

  private static void gpu(StringBuilder page, Optional<Gpu> gpu) {
    page.append("## On a GPU\n\n");
    if (gpu.isEmpty()) {
      line(
          page,
          "Not measured: no machine with one was at hand. On one, `run bench` of the bundle"
              + " ([gpu](gpu.md)) prints every kernel's time by the device's events, its wall time and"
              + " its share of the device's own roofs, and transfers by themselves; `benchmarks.jar"
              + " report --gpu FILE` puts them here.");
      return;
    }
    line(page, "Written by `run bench` to `%s`. Medians of nine runs.\n", gpu.get().file());
    page.append("| device | operation | device, ms | wall, ms | GB/s or GFLOP/s | of its roof |\n");
    page.append("|---|---|---:|---:|---:|---:|\n");
    for (GpuFigure figure : gpu.get().figures()) {
      line(
          page,
          "| %s | %s | %.3f (%.3f to %.3f) | %.3f | %.1f | %.0f %% |",
          figure.device(),
          figure.name(),
          1e3 * figure.seconds().median(),
          1e3 * figure.seconds().least(),
          1e3 * figure.seconds().most(),
          1e3 * figure.wall().median(),
          figure.rate() / 1e9,
          100 * figure.fractionOfRoof());
    }
  }

  private static void run(StringBuilder page, Source source) {
    Report report = source.report();
    Machine machine = report.machine();
    line(
        page,
        "- `%s`: %s, %d cores, %s, %s, Java %s; commit %s; %s.",
        source.file(),
        machine.processor(),
        machine.cores(),
        machine.instructionSet(),
        machine.system(),
        machine.java(),
        report.commit(),
        report.date());
    Report.Protocol protocol = report.protocol();
    if (protocol != Report.Protocol.UNKNOWN) {
      line(
          page,
          "  Each: %d virtual machines, %d iterations to warm up, %d timed, of %s s or one call; one"
              + " call in each where a call takes half a minute.",
          protocol.forks(),
          protocol.warmups(),
          protocol.iterations(),
          protocol.seconds());
    }
    report
        .roofs()
        .forEach(
            (threads, roof) ->
                line(
                    page,
                    "  Roofs on %s: %.0f GFLOP/s, copy %.1f GB/s, triad %.1f GB/s.",
                    threads(threads),
                    roof.gigaflopsPerSecond(),
                    roof.copyGigabytesPerSecond(),
                    roof.triadGigabytesPerSecond()));
  }

  private static void kernels(StringBuilder page, List<Report.Row> rows) {
    page.append("| operation | threads | ms | GB/s | GFLOP/s | of its roof |\n");
    page.append("|---|---:|---:|---:|---:|---|\n");
    for (Report.Row row : ordered(rows)) {
      if (!row.roof().equals("none") && !row.benchmark().startsWith("RoofBenchmark")) {
        line(
            page,
            "| %s | %s | %s | %s | %s | %.0f %% of %s |",
            title(row),
            row.parameters().get("threads"),
            time(row),
            rate(row.gigabytesPerSecond()),
            rate(row.gigaflopsPerSecond()),
            100 * row.fraction(),
            row.roof().equals("triad") ? "bandwidth" : "multiply-adds");
      }
    }
  }

  private static void passes(StringBuilder page, List<Report.Row> rows) {
    page.append("| what | threads | ms | heap, bytes a call |\n|---|---:|---:|---:|\n");
    for (Report.Row row : ordered(rows)) {
      if (row.roof().equals("none")) {
        line(
            page,
            "| %s | %s | %s | %s |",
            title(row),
            row.parameters().get("threads"),
            time(row),
            Double.isNaN(row.heapBytes()) ? "" : text("%.0f", row.heapBytes()));
      }
    }
  }

  private static void peers(StringBuilder page, List<Report.Row> rows) {
    for (Peers pair : Peers.ALL) {
      List<String> lines = new ArrayList<>();
      for (Report.Row our : ordered(rows)) {
        for (Report.Row their : ordered(rows)) {
          if (pair.match(our, their)) {
            lines.add(
                text(
                    "| %s | %s | %s | %s | %.2f |",
                    parameters(our.parameters().size() < their.parameters().size() ? their : our),
                    our.parameters().get("threads"),
                    time(our),
                    time(their),
                    their.milliseconds() / our.milliseconds()));
          }
        }
      }
      if (!lines.isEmpty()) {
        line(page, "**%s**\n", pair.says());
        page.append("| setting | threads | ms | peer, ms | times as fast |\n");
        page.append("|---|---:|---:|---:|---:|\n");
        lines.forEach(line -> page.append(line).append('\n'));
        page.append('\n');
      }
    }
  }

  private static List<Report.Row> ordered(List<Report.Row> rows) {
    return rows.stream()
        .sorted(
            Comparator.comparing(Report.Row::benchmark)
                .thenComparing(PerformancePage::parameters)
                .thenComparing(row -> row.parameters().get("threads")))
        .toList();
  }

  private static String title(Report.Row row) {
    String method = row.benchmark().substring(row.benchmark().indexOf('.') + 1);
    boolean peer = row.benchmark().startsWith("Torch");
    return (peer ? "libtorch: " : "") + method + " " + parameters(row);
  }

  private static String parameters(Report.Row row) {
    return row.parameters().entrySet().stream()
        .filter(entry -> !entry.getKey().equals("threads"))
        .filter(entry -> !(entry.getKey().equals("samples") && entry.getValue().equals("0")))
        .map(Map.Entry::toString)
        .collect(Collectors.joining(", "));
  }

  private static String time(Report.Row row) {
    int digits = row.milliseconds() < 0.01 ? 6 : row.milliseconds() < 100 ? 3 : 0;
    String mean = text("%." + digits + "f", row.milliseconds());
    return Double.isNaN(row.interval())
        ? mean
        : mean + text(" ± %." + digits + "f", row.interval());
  }

  private static String rate(double rate) {
    return rate == 0 ? "" : text("%.1f", rate);
  }

  private static String threads(String count) {
    return count.equals("1") ? "one thread" : count + " threads";
  }

  private static void line(StringBuilder page, String format, Object... arguments) {
    page.append(text(format, arguments)).append('\n');
  }

  private static String text(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }
}
