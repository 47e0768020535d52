package io.nepenthe.benchmarks;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.NoBenchmarksException;
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
 * @param protocol how often each benchmark is timed, and how long
 * @param parameters values of benchmark parameters other than their own, separated by commas
 * @param profiler one of JMH's, with its options after a colon; empty for none
 */
record Run(
    boolean quick, Report.Protocol protocol, Map<String, String> parameters, String profiler) {
  // The last is for JMH itself, which still uses Unsafe.
  private static final String[] JVM = {
    "--enable-native-access=ALL-UNNAMED",
    "--illegal-native-access=deny",
    "--sun-misc-unsafe-memory-access=allow"
  };

  /** Benchmarks whose single call may take half a minute. */
  private static final String SLOW = "sampleLoop";

  private static boolean quickRun;

  /**
   * Whether this process runs everything once, in itself: a benchmark's virtual machine is then not
   * its own.
   */
  static boolean isQuick() {
    return quickRun;
  }

  /**
   * Runs the roofs and the benchmarks whose class and method match one regular expression and not
   * the other.
   */
  Report of(String filter, String exclude) throws RunnerException {
    quickRun = quick;
    String others = exclude.isEmpty() ? SLOW : SLOW + "|" + exclude;
    Collection<RunResult> results =
        new ArrayList<>(
            new Runner(options(filter, others).include("\\.RoofBenchmark\\.").build()).run());
    results.addAll(slow(filter, exclude));
    return Report.of(
        Machine.here(),
        Machine.commit(),
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        quick,
        protocol,
        results);
  }

  /** What takes minutes for one call: one call in each virtual machine. */
  private Collection<RunResult> slow(String filter, String exclude) throws RunnerException {
    ChainedOptionsBuilder options =
        options("^(?=.*(?:" + filter + "))(?=.*" + SLOW + ")", exclude)
            .warmupIterations(0)
            .measurementIterations(1);
    try {
      return new Runner(options.build()).run();
    } catch (NoBenchmarksException e) {
      return List.of();
    }
  }

  private ChainedOptionsBuilder options(String filter, String exclude) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include(filter)
            .mode(Mode.AverageTime)
            .timeUnit(TimeUnit.MILLISECONDS)
            .forks(quick ? 0 : protocol.forks())
            .jvmArgsAppend(JVM)
            .addProfiler(GCProfiler.class)
            .shouldFailOnError(true)
            .shouldDoGC(false);
    if (!exclude.isEmpty()) {
      options.exclude(exclude);
    }
    if (!profiler.isEmpty()) {
      String[] name = profiler.split(":", 2);
      options.addProfiler(name[0], name.length == 1 ? "" : name[1]);
    }
    TimeValue time = TimeValue.milliseconds(Math.round(1000 * protocol.seconds()));
    if (quick) {
      options
          .warmupIterations(0)
          .measurementIterations(1)
          .measurementTime(TimeValue.milliseconds(10))
          .verbosity(VerboseMode.SILENT);
    } else {
      options
          .warmupIterations(protocol.warmups())
          .warmupTime(time)
          .measurementIterations(protocol.iterations())
          .measurementTime(time);
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
