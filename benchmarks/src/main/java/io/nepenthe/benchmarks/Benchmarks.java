package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.openjdk.jmh.runner.RunnerException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures the machine's limits and then the operations, prints a table and writes JSON. */
@Command(
    name = "benchmarks",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Measures the machine's limits and then the operations.",
    subcommands = {
      CompareCommand.class,
      ReportCommand.class,
      ScalingCommand.class,
      ExamplesCommand.class
    },
    footer = {
      "",
      "Example: java -jar benchmarks/target/benchmarks.jar -p threads=2 SquareGradientsBenchmark"
    })
public final class Benchmarks implements Callable<Integer> {
  @Option(
      names = "--quick",
      description = "Run everything once on small data, to see that it runs; figures mean nothing.")
  private boolean quick;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "out/benchmarks.json",
      description = "Where the JSON goes (${DEFAULT-VALUE}).")
  private Path output;

  @Option(
      names = "--forks",
      paramLabel = "N",
      defaultValue = "2",
      description = "Virtual machines that time each benchmark (${DEFAULT-VALUE}).")
  private int forks;

  @Option(
      names = "--iterations",
      paramLabel = "N",
      defaultValue = "5",
      description = "Measured iterations of each (${DEFAULT-VALUE}).")
  private int iterations;

  @Option(
      names = "--warmups",
      paramLabel = "N",
      defaultValue = "3",
      description = "Iterations before them, which are not counted (${DEFAULT-VALUE}).")
  private int warmups;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "1",
      description =
          "How long an iteration is, or one call where that takes longer (${DEFAULT-VALUE}).")
  private double seconds;

  @Option(names = "--exclude", paramLabel = "REGEX", description = "Which of them not.")
  private String exclude = "";

  @Option(
      names = {"-p", "--parameter"},
      paramLabel = "NAME=VALUE,…",
      description = "Values of a benchmark parameter in place of its own.")
  private Map<String, String> parameters = new LinkedHashMap<>();

  @Option(
      names = "--profiler",
      paramLabel = "NAME[:OPTIONS]",
      description = "One of JMH's profilers, such as perfasm, async or jfr.")
  private String profiler = "";

  @Option(
      names = "--python",
      paramLabel = "PYTHON",
      description = "Also time the same work in PyTorch by this interpreter, for instance python3.")
  private String python = "";

  @Parameters(
      arity = "0..1",
      paramLabel = "REGEX",
      defaultValue = "",
      description = "Which classes and methods; the machine's limits are always measured.")
  private String filter;

  private Benchmarks() {}

  /** Exits with 0 when done, 1 on failure, 2 on wrong arguments. */
  public static void main(String[] arguments) {
    System.exit(execute(arguments));
  }

  static int execute(String... arguments) {
    return new CommandLine(new Benchmarks())
        .setExecutionExceptionHandler(
            (failure, command, parsed) -> {
              command.getErr().println(failure.getMessage());
              return 1;
            })
        .execute(arguments);
  }

  @Override
  public Integer call() throws IOException, InterruptedException, RunnerException {
    Report.Protocol protocol = new Report.Protocol(forks, warmups, iterations, seconds);
    Run run = new Run(quick, protocol, parameters, profiler);
    Report report = run.of(filter, exclude);
    if (!python.isEmpty()) {
      report = report.with(new PythonPeers(python, iterations).rows(run.values()));
    }
    report.write(output);
    System.out.println(report.table());
    System.out.println("written to " + output);
    return 0;
  }
}
