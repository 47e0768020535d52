package io.nepenthe.benchmarks;

import io.nepenthe.benchmarks.Scaling.Point;
import io.nepenthe.benchmarks.Scaling.Series;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures how time and memory grow with samples, parameters, queries and threads. */
@Command(
    name = "scaling",
    mixinStandardHelpOptions = true,
    description =
        "Measures how time and memory grow with samples, parameters, queries and threads.")
final class ScalingCommand implements Callable<Integer> {
  private static final double LONG = 2;
  private static final String CACHES =
      "The smallest sizes lie in the caches and take a call's fixed cost, the largest come from"
          + " memory.";

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "out/scaling.json",
      description = "Where the JSON goes (${DEFAULT-VALUE}).")
  private Path output;

  @Option(
      names = "--largest",
      paramLabel = "POWER",
      defaultValue = "8",
      description =
          "The most parameters, a power of ten; a hundredth as many samples, a 100,000th as many queries (8).")
  private int largest;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      defaultValue = "3",
      description = "The fastest of one and so many more counts (${DEFAULT-VALUE}).")
  private int repetitions;

  @Override
  public Integer call() throws IOException {
    int threads = Runtime.getRuntime().availableProcessors();
    String network = largest < 8 ? "lenet" : "resnet9";
    List<Series> series =
        List.of(
            measure(
                "Fisher pass, lenet",
                "samples",
                "",
                powers(3, largest - 2),
                samples -> new ScalingWork.Pass("lenet", samples, threads)),
            measure(
                "Fisher pass, " + network + ", 64 samples",
                "threads",
                "With t threads 1/t is the most there is to win.",
                LongStream.rangeClosed(1, threads).boxed().toList(),
                team -> new ScalingWork.Pass(network, 64, (int) team)),
            measure(
                "squared sample gradients of a square linear layer, 64 samples",
                "parameters",
                CACHES,
                powers(4, largest),
                weights -> new ScalingWork.Squares(weights, threads)),
            measure(
                "dampen",
                "parameters",
                CACHES,
                powers(4, largest),
                weights -> new ScalingWork.Dampening(weights, threads)),
            measure(
                "selectTop, ten ratios",
                "parameters",
                CACHES,
                powers(4, largest),
                weights -> new ScalingWork.Selection(weights, threads)),
            measure(
                "pairScores, convolution 64→64, 3×3, 32², 16 samples",
                "queries",
                "A sample's gradient is made once for all queries: few of them cost what one costs.",
                powers(0, Math.max(1, largest - 5)),
                queries -> new ScalingWork.Scores(queries, threads)));
    Scaling scaling =
        new Scaling(
            Machine.here(),
            Machine.commit(),
            Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
            series);
    ReportFile.write(output, scaling);
    System.out.println("written to " + output);
    return 0;
  }

  private static List<Long> powers(int first, int last) {
    return IntStream.rangeClosed(first, last)
        .mapToObj(power -> Math.round(Math.pow(10, power)))
        .toList();
  }

  private Series measure(
      String work, String size, String note, List<Long> sizes, LongFunction<ScalingWork> start)
      throws IOException {
    List<Point> points = new ArrayList<>();
    for (long n : sizes) {
      double seconds = Double.POSITIVE_INFINITY;
      long bytes;
      try (ScalingWork once = start.apply(n)) {
        Memory.forgetPeak();
        // A first time that takes long is not repeated: what warms up does not show in it.
        for (int i = 0; i <= repetitions && (i == 0 || seconds < LONG); i++) {
          long begin = System.nanoTime();
          once.run();
          seconds = Math.min(seconds, (System.nanoTime() - begin) * 1e-9);
        }
        bytes = Memory.peakBytes();
      }
      points.add(new Point(n, seconds, bytes));
      System.out.printf(
          Locale.ROOT, "%s, %d %s: %.6f s, %.1f MB%n", work, n, size, seconds, bytes / 1e6);
    }
    return new Series(work, size, note, points);
  }

  /** The process's memory as Linux counts it. */
  private static final class Memory {
    private Memory() {}

    /** Lets the peak start from what is resident now. */
    static void forgetPeak() throws IOException {
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
    }

    static long peakBytes() throws IOException {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
      throw new IOException("/proc/self/status has no VmHWM");
    }
  }
}
