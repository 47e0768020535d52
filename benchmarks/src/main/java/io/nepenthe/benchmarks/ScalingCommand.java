package io.nepenthe.benchmarks;

import io.nepenthe.benchmarks.Scaling.Point;
import io.nepenthe.benchmarks.Scaling.Series;
import io.nepenthe.curvature.SquaredGradients;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Dampen;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.LongFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures how time and memory grow with samples and with parameters. */
@Command(
    name = "scaling",
    mixinStandardHelpOptions = true,
    description = "Measures how time and memory grow with samples and with parameters.")
final class ScalingCommand implements Callable<Integer> {
  private static final int BATCH = 64;
  private static final double[] RATIOS = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};

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
      description = "The most parameters, a power of ten; a hundredth as many samples (8).")
  private int largest;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      defaultValue = "3",
      description = "The fastest of so many counts (${DEFAULT-VALUE}).")
  private int repetitions;

  /** Work of one size, with the memory that it holds. */
  private interface Work extends AutoCloseable {
    void run();

    @Override
    void close();
  }

  @Override
  public Integer call() throws IOException {
    int threads = Runtime.getRuntime().availableProcessors();
    List<Series> series = new ArrayList<>();
    series.add(
        measure(
            "Fisher pass, LeNet",
            "samples",
            3,
            largest - 2,
            samples -> new Pass(samples, threads)));
    series.add(
        measure("dampen", "parameters", 4, largest, weights -> new Dampening(weights, threads)));
    series.add(
        measure(
            "selectTop, ten ratios",
            "parameters",
            4,
            largest,
            weights -> new Selection(weights, threads)));
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

  private Series measure(String work, String size, int first, int last, LongFunction<Work> start)
      throws IOException {
    List<Point> points = new ArrayList<>();
    for (int power = first; power <= last; power++) {
      long n = Math.round(Math.pow(10, power));
      double seconds = Double.POSITIVE_INFINITY;
      long bytes;
      try (Work once = start.apply(n)) {
        once.run();
        Memory.forgetPeak();
        for (int i = 0; i < repetitions; i++) {
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
    return new Series(work, size, points);
  }

  /** The exact Fisher diagonal's pass over many samples: the same batch again and again. */
  private static final class Pass implements Work {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Model model = Passes.model("lenet");
    private final Execution execution;
    private final SquaredGradients squares;
    private final Tensor input;
    private final long samples;
    private final double[] losses = new double[BATCH];
    private final int[] labels = Passes.labels(BATCH);

    Pass(long samples, int threads) {
      this.samples = samples;
      backend = Device.cpu(threads).open();
      execution = new Execution(model, backend, BATCH, Mode.FROZEN);
      squares = new SquaredGradients(model, backend);
      input = Passes.input(arena, model, BATCH);
    }

    @Override
    public void run() {
      for (long done = 0; done < samples; done += BATCH) {
        Tensor out = execution.forward(input);
        new CrossEntropy().evaluate(out, labels, losses, execution.outputGradient());
        execution.backward(execution.outputGradient(), squares);
      }
    }

    @Override
    public void close() {
      squares.close();
      execution.close();
      model.close();
      backend.close();
      arena.close();
    }
  }

  private static final class Dampening implements Work {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Tensor weights;
    private final Tensor forget;
    private final Tensor reference;

    Dampening(long n, int threads) {
      backend = Device.cpu(threads).open();
      Shape shape = Shape.of(n);
      weights = Values.uniform(arena, shape, 1);
      forget = Values.uniform(arena, shape, 2);
      reference = Values.uniform(arena, shape, 3);
    }

    @Override
    public void run() {
      // As in DampenBenchmark: half are selected, and λ leaves them as they are.
      backend.dampen(weights, forget, reference, new Dampen.Options(1, 0x1p20f, 1));
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
  }

  private static final class Selection implements Work {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final List<Tensor> values;
    private final MaskStack masks;

    Selection(long n, int threads) {
      backend = Device.cpu(threads).open();
      Shape shape = Shape.of(n);
      values = List.of(Values.normal(arena, shape, 1));
      masks = MaskStack.zeros(arena, RATIOS.length, List.of(shape));
    }

    @Override
    public void run() {
      backend.selectTop(values, masks, RATIOS);
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
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
