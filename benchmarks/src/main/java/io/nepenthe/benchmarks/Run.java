package io.nepenthe.benchmarks;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * How benchmarks are run.
 *
 * @param quick once, on small data, in this process
 * @param forks how many virtual machines time each benchmark
 * @param iterations of a second that each of them measures, after three that warm up
 * @param parameters values of benchmark parameters other than their own, separated by commas
 * @param profiler one of JMH's, with its options after a colon; empty for none
 */
record Run(
    boolean quick, int forks, int iterations, Map<String, String> parameters, String profiler) {
  // The last is for JMH itself, which still uses Unsafe.
  private static final String[] JVM = {
    "--enable-native-access=ALL-UNNAMED",
    "--illegal-native-access=deny",
    "--sun-misc-unsafe-memory-access=allow"
  };

  private static boolean quickRun;

  /**
   * Whether this process runs everything once, in itself: a benchmark's virtual machine is then not
   * its own.
   */
  static boolean isQuick() {
    return quickRun;
  }

  /** Runs the roofs and the benchmarks whose class and method match a regular expression. */
  Report of(String filter) throws RunnerException {
    quickRun = quick;
    Collection<RunResult> results = new Runner(options(filter).build()).run();
    return Report.of(
        Machine.here(),
        Machine.commit(),
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        quick,
        results);
  }

  private ChainedOptionsBuilder options(String filter) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\.RoofBenchmark\\.")
            .include(filter)
            .mode(Mode.AverageTime)
            .timeUnit(TimeUnit.MILLISECONDS)
            .forks(forks)
            .jvmArgsAppend(JVM)
            .addProfiler(GCProfiler.class)
            .shouldFailOnError(true)
            .shouldDoGC(false);
    if (!profiler.isEmpty()) {
      String[] name = profiler.split(":", 2);
      options.addProfiler(name[0], name.length == 1 ? "" : name[1]);
    }
    if (quick) {
      options
          .warmupIterations(0)
          .measurementIterations(1)
          .measurementTime(TimeValue.milliseconds(10))
          .verbosity(VerboseMode.SILENT);
    } else {
      options
          .warmupIterations(3)
          .warmupTime(TimeValue.seconds(1))
          .measurementIterations(iterations)
          .measurementTime(TimeValue.seconds(1));
    }
    values().forEach((name, list) -> options.param(name, list.split(",")));
    return options;
  }

  /**
   * JMH runs the union of all values that it is given for a parameter: the caller's replace ours.
   */
  Map<String, String> values() {
    int cores = Runtime.getRuntime().availableProcessors();
    Map<String, String> values = new HashMap<>();
    if (quick) {
      values.put("threads", Integer.toString(cores));
      values.put("arrays", "small");
      values.put("weights", "100003");
      values.put("samples", "2");
    } else {
      values.put("threads", cores == 1 ? "1" : "1," + cores);
    }
    values.putAll(parameters);
    return values;
  }
}
