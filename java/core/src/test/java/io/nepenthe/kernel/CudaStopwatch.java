package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Locale;

/**
 * Times work on a device and prints a line of JSON for each: the median of nine runs after two, by
 * the device's events and by the host's clock, launch and waiting included. On the emulator work
 * runs once and its line says that nothing was measured.
 */
final class CudaStopwatch {
  private static final int WARM_UPS = 2;
  private static final int RUNS = 9;

  private final CudaBackend backend;
  private final Arena arena;
  private final PrintStream out;
  private final boolean emulated;

  CudaStopwatch(CudaBackend backend, Arena arena, PrintStream out) {
    this.backend = backend;
    this.arena = arena;
    this.out = out;
    this.emulated = backend.context().driver() instanceof EmulatedDriver;
  }

  CudaBackend backend() {
    return backend;
  }

  /** Zeros on the device. */
  Tensor zeros(long... sizes) {
    return backend.zeros(arena, Shape.of(sizes));
  }

  /**
   * Positive values on the device that are neither zero nor all alike, each of them several times
   * there; a gigabyte need not be drawn one by one.
   */
  Tensor values(long seed, long... sizes) {
    Tensor tensor = zeros(sizes);
    long n = tensor.elements();
    Tensor flat = tensor.reshape(Shape.of(n));
    long period = Math.clamp(n / 16, 1, 1 << 16);
    Tensor part = Tensor.zeros(arena, period);
    KernelTest.Values normal = KernelTest.normal(seed);
    for (long i = 0; i < period; i++) {
      part.set(i, Math.abs(normal.next()));
    }
    for (long at = 0; at < n; at += period) {
      long length = Math.min(period, n - at);
      flat.slice(at, Shape.of(length)).copyFrom(part.slice(0, Shape.of(length)));
    }
    return tensor;
  }

  /** The bytes a second of what memory binds, {@code roof} being those of a copy. */
  double bytes(String name, long bytes, double roof, Runnable work) {
    return rate(name, bytes, "bytes/s", roof, work);
  }

  /** The operations a second of what arithmetic binds. */
  double flops(String name, double flops, double roof, Runnable work) {
    return rate(name, flops, "flop/s", roof, work);
  }

  /** One kernel on its own, over {@code n} elements, {@code each} of them a thread at a time. */
  void launch(String kernel, long n, int each, Object... values) {
    CudaContext context = backend.context();
    try (var op = context.begin(kernel, "", 0, 0)) {
      op.launch(kernel, context.blocks(kernel, n, each), values);
    }
  }

  /**
   * @param roof what the device does at most, in the unit; 0 for a roof itself
   * @return the median rate; 0 on the emulator
   */
  private double rate(String name, double amount, String unit, double roof, Runnable work) {
    CudaDriver driver = backend.context().driver();
    if (emulated) {
      work.run();
      driver.synchronise();
      line(
          "{\"device\": \"%s\", \"name\": \"%s\", \"rate\": \"not measured\"}",
          driver.name(), name);
      return 0;
    }
    double[] seconds = new double[RUNS];
    double[] wall = new double[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
      long begin = System.nanoTime();
      double time = driver.seconds(work);
      if (run >= 0) {
        seconds[run] = time;
        wall[run] = (System.nanoTime() - begin) * 1e-9;
      }
    }
    Arrays.sort(seconds);
    Arrays.sort(wall);
    double rate = amount / seconds[RUNS / 2];
    line(
        "{\"device\": \"%s\", \"name\": \"%s\", \"rate\": %.4g, \"unit\": \"%s\","
            + " \"fractionOfRoof\": %.3f, \"seconds\": %s, \"wall\": %s}",
        driver.name(), name, rate, unit, roof > 0 ? rate / roof : 1, spread(seconds), spread(wall));
    return rate;
  }

  private void line(String format, Object... values) {
    out.println(String.format(Locale.ROOT, format, values));
    out.flush();
  }

  private static String spread(double[] sorted) {
    return String.format(
        Locale.ROOT,
        "{\"median\": %.4g, \"least\": %.4g, \"most\": %.4g}",
        sorted[RUNS / 2],
        sorted[0],
        sorted[RUNS - 1]);
  }
}
