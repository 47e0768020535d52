package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * Times the kernels on a device beside what the device does at most, measured in the same run: a
 * line of JSON each ({@link CudaStopwatch}). Sizes are those of a large device, divided.
 */
final class CudaMeasure {
  private static final long SIDE = 8192;
  private static final long LEAST_SIDE = 16;

  private CudaMeasure() {}

  /** The first argument divides the sizes, 1 for a large device; precisions may follow, or all. */
  public static void main(String[] arguments) {
    List<Precision> precisions =
        Arrays.stream(arguments).skip(1).map(Precision::valueOf).collect(Collectors.toList());
    measure(
        arguments.length == 0 ? 1 : Integer.parseInt(arguments[0]),
        precisions.isEmpty() ? List.of(Precision.values()) : precisions,
        System.out);
  }

  static void measure(int divisor, List<Precision> precisions, PrintStream out) {
    for (Precision precision : precisions) {
      try (CudaBackend backend = (CudaBackend) Device.cuda(0, precision).open()) {
        System.err.println(backend.describe());
        if (precision == Precision.FP32) {
          group(backend, out, watch -> transfers(watch, (1L << 28) / divisor));
          group(backend, out, watch -> CudaMemoryMeasures.run(watch, divisor));
        }
        group(backend, out, watch -> products(watch, precision, divisor));
      }
    }
  }

  /** What a group takes of the device's memory is free for the next. */
  private static void group(CudaBackend backend, PrintStream out, Consumer<CudaStopwatch> body) {
    try (Arena arena = Arena.ofShared()) {
      body.accept(new CudaStopwatch(backend, arena, out));
    }
  }

  /** Between the host's ordinary memory and the device's. */
  private static void transfers(CudaStopwatch watch, long n) {
    Tensor device = watch.zeros(n);
    long bytes = n * Float.BYTES;
    try (Arena arena = Arena.ofShared()) {
      Tensor host = Tensor.zeros(arena, n);
      watch.bytes("transfer to the device", bytes, 0, () -> device.copyFrom(host));
      watch.bytes("transfer from the device", bytes, 0, () -> host.copyFrom(device));
    }
  }

  private static void products(CudaStopwatch watch, Precision precision, int divisor) {
    double chains = chains(watch, precision, Math.max(1, 100_000 / divisor), "");
    long side = Math.max(LEAST_SIDE, SIDE / divisor);
    CudaGemm gemm = watch.backend().dense().gemm();
    double warpgroups = warpgroups(watch, precision, Math.max(1, 20_000 / divisor));
    double roof = Math.max(Math.max(chains, warpgroups), product(watch, gemm, precision, side));
    if (!(gemm instanceof CudaGemm.Own)) {
      var own = new CudaGemm.Own(watch.backend().context(), precision, "for comparison");
      product(watch, own, precision, side);
    }
    double cores =
        precision == Precision.FP32
            ? chains
            : chains(
                watch,
                Precision.FP32,
                Math.max(1, 100_000 / divisor),
                " for squares of " + precision);
    new CudaProductMeasures(watch, precision, roof, cores).run(Math.max(2, 256 / divisor));
  }

  /** Multiply-adds of registers, by the CUDA cores or the matrix instructions of all chips. */
  private static double chains(
      CudaStopwatch watch, Precision precision, long steps, String purpose) {
    CudaContext context = watch.backend().context();
    long blocks = context.driver().multiprocessors() * 8L;
    Tensor out = watch.zeros(blocks * 256);
    boolean cores = precision != Precision.FP32;
    double flops =
        cores
            ? blocks * 8 * steps * 8 * (precision == Precision.TF32 ? 2048 : 4096)
            : blocks * 256 * steps * 16.0;
    return watch.flops(
        "roof " + precision + purpose,
        flops,
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
  }

  /** The same by Hopper's products of a warpgroup, where there are any; else 0. */
  private static double warpgroups(CudaStopwatch watch, Precision precision, long steps) {
    CudaContext context = watch.backend().context();
    if (precision == Precision.FP32
        || context.driver().capability() != CudaHopperSquares.CAPABILITY) {
      return 0;
    }
    long blocks = context.driver().multiprocessors() * 4L;
    Tensor out = watch.zeros(blocks * 256);
    long terms = precision == Precision.BF16 ? 16 : 8;
    return watch.flops(
        "roof wgmma " + precision,
        2.0 * blocks * 2 * steps * 8 * 64 * 256 * terms,
        0,
        () -> {
          try (var op = context.begin("roof", "", 0, 0)) {
            op.launch(
                "nep_roof_sm90a_" + precision.suffix(),
                new CudaDriver.Grid(blocks, 1, 1),
                10240,
                new Object[] {out.address(), steps});
          }
        });
  }

  /** A square product: what a library makes of the device, or our own kernels. */
  private static double product(
      CudaStopwatch watch, CudaGemm gemm, Precision precision, long side) {
    CudaContext context = watch.backend().context();
    Tensor a = watch.values(11, side, side);
    Tensor b = watch.values(12, side, side);
    Tensor c = watch.zeros(side, side);
    String by = gemm instanceof CudaGemm.Own ? "own kernels" : gemm.name().split(" from ")[0];
    return watch.flops(
        "product %d² %s by %s".formatted(side, precision, by),
        2.0 * side * side * side,
        0,
        () -> {
          try (var op = context.begin("product", side, 0, 0)) {
            gemm.multiply(
                op,
                new CudaGemm.Matrix(op.read(a), side),
                false,
                new CudaGemm.Matrix(op.read(b), side),
                true,
                new CudaGemm.Matrix(op.write(c), side),
                side,
                side,
                side,
                0);
            op.finish();
          }
        });
  }
}
