package io.nepenthe.benchmarks;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;

/**
 * The figures of one run: every benchmark against the roof that binds it, as measured with the same
 * number of threads in the same run.
 *
 * @param machine where
 * @param commit of what
 * @param date when, UTC
 * @param quick whether everything ran once, on small data: then the figures mean nothing
 * @param protocol how often each was timed
 * @param roofs what the machine did at best, by number of threads
 * @param rows one per benchmark and parameters
 */
record Report(
    Machine machine,
    String commit,
    String date,
    boolean quick,
    Protocol protocol,
    Map<String, Roofs> roofs,
    List<Row> rows) {

  /**
   * How often each benchmark is timed. An iteration that takes longer than {@code seconds} is one
   * call.
   *
   * @param forks virtual machines
   * @param warmups iterations of each that are not counted
   * @param iterations of each that are
   * @param seconds an iteration
   */
  record Protocol(int forks, int warmups, int iterations, double seconds) {
    /** Of files that do not say. */
    static final Protocol UNKNOWN = new Protocol(0, 0, 0, 0);
  }

  /** A file of before there was a protocol has none. */
  Report {
    protocol = protocol == null ? Protocol.UNKNOWN : protocol;
  }

  /**
   * The machine's limits: of each roof the fastest iteration, since a mean would let interruptions
   * flatter the kernels that are compared with it.
   *
   * @param gigaflopsPerSecond of multiply-adds in registers
   * @param copyGigabytesPerSecond 2 × 4 bytes an element
   * @param triadGigabytesPerSecond 3 × 4 bytes an element
   */
  record Roofs(
      double gigaflopsPerSecond, double copyGigabytesPerSecond, double triadGigabytesPerSecond) {}

  /**
   * One benchmark with its parameters.
   *
   * @param milliseconds a call, mean over all iterations of all forks
   * @param interval the half width of its 99.9 % confidence interval; NaN from a single iteration
   * @param iterations that the mean was taken over
   * @param gigabytesPerSecond 0 where the work has no model or moves nothing
   * @param gigaflopsPerSecond likewise
   * @param roof which limit binds: triad, multiplyAdd, or none
   * @param fraction of that limit reached
   * @param heapBytes that a call allocates on the Java heap; what JMH itself allocates is part of
   *     it, some tens of bytes shared by all calls of an iteration
   */
  record Row(
      String benchmark,
      Map<String, String> parameters,
      double milliseconds,
      double interval,
      long iterations,
      double gigabytesPerSecond,
      double gigaflopsPerSecond,
      String roof,
      double fraction,
      double heapBytes) {
    /** Benchmark and parameters: what makes it one row. */
    String title() {
      return benchmark
          + parameters.entrySet().stream()
              .map(entry -> entry.getKey() + "=" + entry.getValue())
              .collect(Collectors.joining(" ", " ", ""));
    }
  }

  private static final double GIGA = 1e9;

  static Report of(
      Machine machine,
      String commit,
      String date,
      boolean quick,
      Protocol protocol,
      Collection<RunResult> results) {
    Map<String, Roofs> roofs = new TreeMap<>();
    for (RunResult result : results) {
      String threads = result.getParams().getParam("threads");
      if (name(result.getParams()).equals("RoofBenchmark.multiplyAdd")) {
        roofs.put(
            threads,
            new Roofs(
                best(result).flops() / GIGA,
                best(find(results, "RoofBenchmark.copy", threads)).bytes() / GIGA,
                best(find(results, "RoofBenchmark.triad", threads)).bytes() / GIGA));
      }
    }
    List<Row> rows = new ArrayList<>();
    for (RunResult result : results) {
      rows.add(row(result, roofs.get(result.getParams().getParam("threads"))));
    }
    return new Report(machine, commit, date, quick, protocol, roofs, rows);
  }

  /** This report with more rows, measured in the same run by other means. */
  Report with(List<Row> more) {
    List<Row> all = new ArrayList<>(rows);
    all.addAll(more);
    return new Report(machine, commit, date, quick, protocol, roofs, all);
  }

  /** Bytes and operations a second. */
  private record Rate(double bytes, double flops) {}

  private static Rate best(RunResult result) {
    double milliseconds = Double.POSITIVE_INFINITY;
    for (BenchmarkResult fork : result.getBenchmarkResults()) {
      for (IterationResult iteration : fork.getIterationResults()) {
        milliseconds = Math.min(milliseconds, iteration.getPrimaryResult().getScore());
      }
    }
    Cost cost = cost(result.getParams());
    double seconds = milliseconds / 1e3;
    return new Rate(cost.bytes() / seconds, cost.flops() / seconds);
  }

  private static RunResult find(Collection<RunResult> results, String name, String threads) {
    return results.stream()
        .filter(result -> name(result.getParams()).equals(name))
        .filter(result -> result.getParams().getParam("threads").equals(threads))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no " + name + " on " + threads));
  }

  private static Row row(RunResult result, Roofs roofs) {
    Result<?> primary = result.getPrimaryResult();
    Cost cost = cost(result.getParams());
    double seconds = primary.getScore() / 1e3;
    double memory = cost.bytes() / (roofs.triadGigabytesPerSecond() * GIGA);
    double arithmetic = cost.flops() / (roofs.gigaflopsPerSecond() * GIGA);
    double bound = Math.max(memory, arithmetic);
    Map<String, String> parameters = new LinkedHashMap<>();
    for (String key : result.getParams().getParamsKeys()) {
      parameters.put(key, result.getParams().getParam(key));
    }
    return new Row(
        name(result.getParams()),
        parameters,
        primary.getScore(),
        primary.getScoreError(),
        primary.getSampleCount(),
        cost.bytes() / seconds / GIGA,
        cost.flops() / seconds / GIGA,
        bound == 0 ? "none" : memory >= arithmetic ? "triad" : "multiplyAdd",
        bound == 0 ? 0 : bound / seconds,
        heapBytes(result));
  }

  private static double heapBytes(RunResult result) {
    Result<?> allocated = result.getSecondaryResults().get("gc.alloc.rate.norm");
    return allocated == null ? Double.NaN : allocated.getScore();
  }

  private static String name(BenchmarkParams params) {
    String full = params.getBenchmark();
    String type = full.substring(0, full.lastIndexOf('.'));
    return full.substring(type.lastIndexOf('.') + 1);
  }

  private static Cost cost(BenchmarkParams params) {
    String full = params.getBenchmark();
    int dot = full.lastIndexOf('.');
    Function<String, String> parameter = params::getParam;
    try {
      Method method =
          Class.forName(full.substring(0, dot))
              .getDeclaredMethod("cost", String.class, Function.class);
      return (Cost) method.invoke(null, full.substring(dot + 1), parameter);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(full + " states no cost", e);
    }
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @throws IOException naming the file, if it is not such a report
   */
  static Report read(Path file) throws IOException {
    return ReportFile.read(file, Report.class, "a report of benchmarks");
  }

  /** Writes the report as JSON; the file is whole or not there. */
  void write(Path file) throws IOException {
    ReportFile.write(file, this);
  }

  /** For people. */
  String table() {
    List<String> lines = new ArrayList<>();
    lines.add(
        machine.processor()
            + ", "
            + machine.cores()
            + " cores, "
            + machine.instructionSet()
            + "; commit "
            + commit
            + "; "
            + date);
    roofs.forEach(
        (threads, roof) ->
            lines.add(
                text(
                    "roofs, %s threads: multiply-add %.1f GFLOP/s, copy %.1f GB/s, triad %.1f GB/s",
                    threads,
                    roof.gigaflopsPerSecond(),
                    roof.copyGigabytesPerSecond(),
                    roof.triadGigabytesPerSecond())));
    int width = rows.stream().mapToInt(row -> row.title().length()).max().orElse(0);
    String format = "%-" + width + "s %12s %10s %8s %8s %9s  %s";
    lines.add(text(format, "", "ms", "±", "GB/s", "GFLOP/s", "B/op", "of the roof"));
    for (Row row : rows) {
      lines.add(
          text(
              format,
              row.title(),
              text("%.4f", row.milliseconds),
              Double.isNaN(row.interval) ? "-" : text("%.4f", row.interval),
              row.gigabytesPerSecond == 0 ? "-" : text("%.1f", row.gigabytesPerSecond),
              row.gigaflopsPerSecond == 0 ? "-" : text("%.1f", row.gigaflopsPerSecond),
              Double.isNaN(row.heapBytes) ? "-" : text("%.0f", row.heapBytes),
              row.roof.equals("none") ? "-" : text("%3.0f %% %s", 100 * row.fraction, row.roof)));
    }
    if (quick) {
      lines.add("a quick run, to see that everything runs: its figures mean nothing");
    }
    return String.join("\n", lines);
  }

  private static String text(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }
}
