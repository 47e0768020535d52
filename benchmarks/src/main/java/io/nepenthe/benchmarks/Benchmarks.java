package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Measures the machine's limits and then the operations, prints a table and writes JSON.
 *
 * <pre>
 *   java -jar benchmarks/target/benchmarks.jar [-quick] [-o FILE] [-forks N] [-p NAME=VALUE,…] [REGEX]
 * </pre>
 *
 * <p>{@code -quick} runs everything once on small data, to see that it runs: its figures mean
 * nothing. REGEX filters by class and method; the roofs are always measured.
 */
public final class Benchmarks {
  private static final String USAGE =
      "usage: java -jar benchmarks.jar [-quick] [-o FILE] [-forks N] [-p NAME=VALUE,…] [REGEX]";
  // The last is for JMH itself, which still uses Unsafe.
  private static final String[] JVM = {
    "--enable-native-access=ALL-UNNAMED",
    "--illegal-native-access=deny",
    "--sun-misc-unsafe-memory-access=allow"
  };

  private static boolean quickRun;

  private Benchmarks() {}

  /**
   * What to run.
   *
   * @param quick once, on small data
   * @param output where the JSON goes
   * @param forks how many virtual machines time each benchmark
   * @param parameters values of benchmark parameters other than their own
   * @param filter a regular expression for class and method
   */
  record Arguments(
      boolean quick, Path output, int forks, Map<String, String[]> parameters, String filter) {
    static Arguments parse(String... arguments) {
      boolean quick = false;
      Path output = Path.of("out", "benchmarks.json");
      int forks = 2;
      Map<String, String[]> parameters = new LinkedHashMap<>();
      String filter = "";
      for (int i = 0; i < arguments.length; i++) {
        switch (arguments[i]) {
          case "-quick" -> quick = true;
          case "-o" -> output = Path.of(value(arguments, ++i));
          case "-forks" -> forks = Integer.parseInt(value(arguments, ++i));
          case "-p" -> {
            String[] pair = value(arguments, ++i).split("=", 2);
            if (pair.length < 2) {
              throw new IllegalArgumentException("-p takes NAME=VALUE,…; " + USAGE);
            }
            parameters.put(pair[0], pair[1].split(","));
          }
          default -> {
            if (arguments[i].startsWith("-") || !filter.isEmpty()) {
              throw new IllegalArgumentException("unexpected " + arguments[i] + "; " + USAGE);
            }
            filter = arguments[i];
          }
        }
      }
      return new Arguments(quick, output, quick ? 0 : forks, parameters, filter);
    }

    private static String value(String[] arguments, int i) {
      if (i == arguments.length) {
        throw new IllegalArgumentException(arguments[i - 1] + " needs a value; " + USAGE);
      }
      return arguments[i];
    }
  }

  /** Runs the benchmarks; exits with 2 on wrong arguments. */
  public static void main(String[] arguments) throws IOException, RunnerException {
    Arguments parsed;
    try {
      parsed = Arguments.parse(arguments);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(2);
      return;
    }
    run(parsed);
  }

  /**
   * Whether this process runs everything once, in itself: a benchmark's virtual machine is then not
   * its own.
   */
  static boolean quick() {
    return quickRun;
  }

  static Report run(Arguments arguments) throws IOException, RunnerException {
    quickRun = arguments.quick;
    Collection<RunResult> results = new Runner(options(arguments).build()).run();
    Report report =
        Report.of(
            Machine.here(),
            Machine.commit(),
            Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
            arguments.quick,
            results);
    Path parent = arguments.output.toAbsolutePath().getParent();
    Files.createDirectories(parent);
    Path part = Files.createTempFile(parent, "benchmarks", ".part");
    Files.writeString(part, report.json());
    Files.move(part, arguments.output, StandardCopyOption.REPLACE_EXISTING);
    System.out.println(report.table());
    System.out.println("written to " + arguments.output);
    return report;
  }

  private static ChainedOptionsBuilder options(Arguments arguments) {
    int cores = Runtime.getRuntime().availableProcessors();
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\.RoofBenchmark\\.")
            .include(arguments.filter)
            .mode(Mode.AverageTime)
            .timeUnit(TimeUnit.MILLISECONDS)
            .forks(arguments.forks)
            .jvmArgsAppend(JVM)
            .shouldFailOnError(true)
            .shouldDoGC(false);
    arguments.parameters.forEach(options::param);
    if (arguments.quick) {
      return options
          .warmupIterations(0)
          .measurementIterations(1)
          .measurementTime(TimeValue.milliseconds(10))
          .param("threads", Integer.toString(cores))
          .param("arrays", "small")
          .param("weights", "100003")
          .param("samples", "2")
          .verbosity(VerboseMode.SILENT);
    }
    return options
        .warmupIterations(3)
        .warmupTime(TimeValue.seconds(1))
        .measurementIterations(5)
        .measurementTime(TimeValue.seconds(1))
        .param("threads", cores == 1 ? new String[] {"1"} : new String[] {"1", "" + cores});
  }
}
