package io.nepenthe.kernel;

import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Times the kernels on a device beside what the device does at most, measured in the same run. The
 * argument divides the sizes: 1 for a large device. Each figure is the median of nine runs after
 * two, timed by the device's events and by the host's clock, launch and waiting included; a line is
 * one JSON object. Transfers are timed by themselves.
 */
final class CudaMeasure {
  private static final int WARM_UPS = 2;
  private static final int RUNS = 9;

  private final CudaBackend backend;
  private final CudaContext context;
  private final Arena arena;
  private final Precision precision;

  private CudaMeasure(CudaBackend backend, Arena arena, Precision precision) {
    this.backend = backend;
    this.context = backend.context();
    this.arena = arena;
    this.precision = precision;
  }

  public static void main(String[] arguments) {
    int divisor = arguments.length == 0 ? 1 : Integer.parseInt(arguments[0]);
    for (Precision precision : Precision.values()) {
      try (Backend backend = Device.cuda(0, precision).open();
          Arena arena = Arena.ofShared()) {
        CudaMeasure measure = new CudaMeasure((CudaBackend) backend, arena, precision);
        if (precision == Precision.FP32) {
          measure.transfers(divisor);
          measure.memoryBound(divisor);
        }
        measure.products(divisor);
      }
    }
  }

  /** Between the host's ordinary memory and the device's. */
  private void transfers(int divisor) {
    long n = (1L << 28) / divisor;
    Tensor host = Tensor.zeros(arena, n);
    Tensor device = backend.zeros(arena, Shape.of(n));
    long bytes = n * Float.BYTES;
    rate("transfer to the device", bytes, "bytes/s", 0, () -> device.copyFrom(host));
    rate("transfer from the device", bytes, "bytes/s", 0, () -> host.copyFrom(device));
  }

  /** Kernels that memory binds, as fractions of the copy's bandwidth. */
  private void memoryBound(int divisor) {
    long n = (1L << 30) / divisor;
    Tensor a = values(n, 1);
    Tensor b = values(n, 2);
    Tensor c = values(n, 3);
    double roof =
        rate(
            "roof copy",
            Roof.copyBytes(n),
            "bytes/s",
            0,
            () -> launch("nep_roof_copy", n, 4, a.address(), b.address(), n));
    rate("dampen", Dampen.bytes(n), "bytes/s", roof, () -> dampen(a, b, c));
    rate(
        "maskedSgd",
        MaskedSgd.bytes(n),
        "bytes/s",
        roof,
        () -> backend.sgd(a, b, c, MaskedSgd.Options.of(0.1f, 0.9f, 0)));
    DriftFreeSum sum = DriftFreeSum.of(a, b);
    rate("accumulate", Accumulate.bytes(n), "bytes/s", roof, () -> backend.accumulate(sum, c));
    long few = n / 8;
    Tensor part = c.slice(0, Shape.of(few));
    MaskStack masks = MaskStack.zeros(arena, 1, List.of(part.shape()));
    rate(
        "selectTop",
        SelectTop.bytes(few, 1),
        "bytes/s",
        roof,
        () -> backend.selectTop(List.of(part), masks, 0.5));
  }

  private void dampen(Tensor a, Tensor b, Tensor c) {
    backend.dampen(a, b, c, Dampen.Options.of(1.5f, 0.7f));
  }

  /** Squared gradients and products, as fractions of the multiply-add rate in this precision. */
  private void products(int divisor) {
    long steps = Math.max(1, 100_000 / divisor);
    long blocks = context.driver().multiprocessors() * 8L;
    Tensor out = values(blocks * 256, 4);
    boolean cores = precision != Precision.FP32;
    double flops =
        cores
            ? blocks * 8 * steps * 8 * (precision == Precision.TF32 ? 2048 : 4096)
            : blocks * 256 * steps * 16.0;
    double roof =
        rate(
            "roof " + precision,
            flops,
            "flop/s",
            0,
            () -> {
              try (var op = context.begin("roof", "", 0, 0)) {
                if (cores) {
                  int bf16 = precision == Precision.BF16 ? 1 : 0;
                  op.launch("nep_roof_matrix", blocks, out.address(), steps, bf16);
                } else {
                  op.launch("nep_roof_multiply_add", blocks, out.address(), steps);
                }
              }
            });
    int samples = Math.max(1, 256 / divisor);
    squares(roof, samples, 64, 32);
    squares(roof, samples, 512, 4);
    perSample(roof, Math.max(1, samples / 4), 64, 32);
    perSample(roof, Math.max(1, samples / 4), 512, 4);
  }

  /** The operations of curvature and influence, as fractions of the same. */
  private void perSample(double roof, int samples, int channels, int side) {
    int fewer = samples == 1 ? 8 : channels;
    Convolution convolution = Window.square(3).withPadding(1).convolution(1);
    Shape shape = Shape.of(samples, side, side, fewer);
    Tensor x = values(shape.elements(), 7).reshape(shape);
    Tensor g = values(shape.elements(), 8).reshape(shape);
    Shape weights = convolution.weights(fewer, fewer);
    long features = weights.elements() / fewer;
    var size = new SquareGradients.Size(samples, (long) side * side, features, fewer);
    String layer = " %d→%d %d² %s".formatted(fewer, fewer, side, precision);
    PerSample kernels = backend.perSample();
    Shape square = Shape.of(features, features);
    DriftFreeSum sum = DriftFreeSum.of(backend.zeros(arena, square), backend.zeros(arena, square));
    rate(
        "covariance" + layer,
        Covariance.flops(samples * size.positions(), features),
        "flop/s",
        roof,
        () -> kernels.covariance(convolution, x, false, Covariance.Sharing.EXPAND, sum));
    Tensor gradients = backend.zeros(arena, Shape.of(samples, fewer, features));
    rate(
        "sampleGradients" + layer,
        SampleGradients.flops(size),
        "flop/s",
        roof,
        () -> kernels.sampleGradients(convolution, x, g, false, gradients));
    Tensor self = backend.zeros(arena, Shape.of(samples));
    Tensor weight = values(weights.elements(), 9).reshape(weights);
    rate(
        "selfScores" + layer,
        SelfScores.flops(size, SelfScores.strategyFor(size.positions())),
        "flop/s",
        roof,
        () -> kernels.selfScores(convolution, x, g, weight, self));
    long queries = 51;
    PackedQueries packed =
        kernels.packQueries(
            arena,
            1,
            values(queries * weights.elements(), 10).reshape(Shape.of(queries, fewer, features)));
    Tensor scores = backend.zeros(arena, Shape.of(queries, samples));
    rate(
        "pairScores of %d%s".formatted(queries, layer),
        PairScores.flops(size, queries),
        "flop/s",
        roof,
        () -> kernels.pairScores(convolution, x, g, false, packed, scores));
  }

  private void squares(double roof, int samples, int channels, int side) {
    int fewer = samples == 1 ? 8 : channels; // a divisor that large is a trial
    Convolution convolution = Window.square(3).withPadding(1).convolution(1);
    Tensor x = values((long) samples * side * side * fewer, 5);
    Shape shape = Shape.of(samples, side, side, fewer);
    Tensor g = values(x.elements(), 6);
    Shape weights = convolution.weights(fewer, fewer);
    DriftFreeSum state =
        DriftFreeSum.of(backend.zeros(arena, weights), backend.zeros(arena, weights));
    var size =
        new SquareGradients.Size(samples, (long) side * side, weights.elements() / fewer, fewer);
    rate(
        "squareGradients %d→%d %d² %s".formatted(fewer, fewer, side, precision),
        SquareGradients.flops(size, Strategy.PRODUCTS),
        "flop/s",
        roof,
        () -> backend.squareGradients(convolution, x.reshape(shape), g.reshape(shape), state));
  }

  private void launch(String kernel, long n, int each, Object... values) {
    try (var op = context.begin("roof", "", 0, 0)) {
      op.launch(kernel, context.blocks(kernel, n, each), values);
    }
  }

  /** Values that are neither zero nor all alike; a gigabyte need not be drawn one by one. */
  private Tensor values(long n, long seed) {
    long period = Math.min(n, 1 << 16);
    Tensor part = Tensor.zeros(arena, period);
    KernelTest.Values normal = KernelTest.normal(seed);
    for (long i = 0; i < period; i++) {
      part.set(i, Math.abs(normal.next()));
    }
    Tensor tensor = backend.zeros(arena, Shape.of(n));
    for (long at = 0; at < n; at += period) {
      long length = Math.min(period, n - at);
      tensor.slice(at, Shape.of(length)).copyFrom(part.slice(0, Shape.of(length)));
    }
    return tensor;
  }

  private double rate(String name, double amount, String unit, double roof, Runnable work) {
    double[] seconds = new double[RUNS];
    double[] wall = new double[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
      long begin = System.nanoTime();
      double time = context.driver().seconds(work);
      if (run >= 0) {
        seconds[run] = time;
        wall[run] = (System.nanoTime() - begin) * 1e-9;
      }
    }
    Arrays.sort(seconds);
    Arrays.sort(wall);
    double rate = amount / seconds[RUNS / 2];
    System.out.printf(
        Locale.ROOT,
        "{\"device\": \"%s\", \"name\": \"%s\", \"rate\": %.4g, \"unit\": \"%s\", \"fractionOfRoof\": %.3f, \"seconds\": %s, \"wall\": %s}%n",
        context.driver().name(),
        name,
        rate,
        unit,
        roof > 0 ? rate / roof : 1,
        spread(seconds),
        spread(wall));
    return rate;
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
