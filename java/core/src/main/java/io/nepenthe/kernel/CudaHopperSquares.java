package io.nepenthe.kernel;

import java.util.Optional;

/**
 * Launches of cuda/square_gradients_sm90a.cu, squared gradients by Hopper's wgmma: how a block uses
 * its shared memory, and for which layers it suffices.
 *
 * @param precision of the factors, BF16 or TF32
 * @param point a window of one pixel; else one of up to 3 by 3
 * @param call the sizes, of which the kernel sees those positions that need not be rows as rows
 * @param stages filled ahead of what is multiplied, one after the other
 * @param batch samples in a stage
 * @param band rows of output in a stage, of each sample
 * @param sharedBytes all of it
 */
record CudaHopperSquares(
    Precision precision,
    boolean point,
    LayerGeometry call,
    int stages,
    int batch,
    int band,
    int sharedBytes) {
  /** The compute capability whose machine code the kernel is: 9.0, no other. */
  static final int CAPABILITY = 90;

  /** Dynamic shared memory of a block of that capability. */
  private static final long MOST_SHARED = 232448;

  private static final int MOST_STAGES = 4;

  /** Small samples share a stage until it has about the bytes of so many positions in a plane. */
  private static final long STAGE = 2048;

  private static final int MOST_WINDOW = 3;
  private static final int ROWS = 64;
  private static final int PIECE = 8;
  private static final int LINE = 16;
  private static final int PIXEL = 8;

  /**
   * How factors lie in shared memory (cuda/layer_sm90a.cuh).
   *
   * @param step terms of a product
   * @param together positions that lie together
   * @param bytes of a position in a plane
   * @param apart lines of a plane beyond a multiple of eight
   */
  private record Factors(int step, int together, int bytes, int apart) {
    static Factors of(Precision precision) {
      return precision == Precision.BF16 ? new Factors(16, 1, 16, 2) : new Factors(8, 4, 32, 1);
    }

    long plane(long positions) {
      long lines = up(positions, together) * bytes / LINE;
      return (lines + Math.floorMod(apart - lines, 8)) * LINE;
    }
  }

  /**
   * How a layer is cut, or empty where the window is too large, a row of it too long, or factors
   * are not rounded.
   */
  static Optional<CudaHopperSquares> of(Precision precision, LayerGeometry layer) {
    if (precision == Precision.FP32) {
      return Optional.empty();
    }
    Window window = layer.convolution().window();
    boolean point = window.kernelHeight() * window.kernelWidth() == 1;
    boolean small =
        layer.height() * layer.width() * layer.channels() <= Integer.MAX_VALUE
            && layer.positions() * layer.outputs() <= Integer.MAX_VALUE;
    if (!small || window.kernelHeight() > MOST_WINDOW || window.kernelWidth() > MOST_WINDOW) {
      return Optional.empty();
    }
    Factors factors = Factors.of(precision);
    LayerGeometry call = point ? asRows(layer) : layer;
    long most = call.outHeight();
    while (most > 0 && bytes(factors, call, point, 2, 1, most) > MOST_SHARED) {
      most--;
    }
    if (most == 0) {
      return Optional.empty();
    }
    long band = CudaLayer.ceiling(call.outHeight(), CudaLayer.ceiling(call.outHeight(), most));
    long batch =
        band < call.outHeight()
            ? 1
            : Math.clamp(
                STAGE * factors.bytes / unit(factors, call, point, band),
                1,
                Math.max(1, call.samples()));
    int stages = MOST_STAGES;
    while (bytes(factors, call, point, stages, batch, band) > MOST_SHARED) {
      stages--;
    }
    return Optional.of(
        new CudaHopperSquares(
            precision,
            point,
            call,
            stages,
            (int) batch,
            (int) band,
            (int) bytes(factors, call, point, stages, batch, band)));
  }

  /** Where every position reads the pixel of its own, each is a row. */
  private static LayerGeometry asRows(LayerGeometry layer) {
    boolean same =
        layer.positions() == layer.height() * layer.width()
            && layer.outHeight() == layer.height()
            && layer.convolution().window().top() == 0
            && layer.convolution().window().left() == 0;
    return same
        ? new LayerGeometry(
            layer.convolution(),
            layer.samples(),
            layer.positions(),
            1,
            layer.channels(),
            layer.positions(),
            1,
            layer.outputs())
        : layer;
  }

  private static long phases(Window window) {
    return window.kernelHeight() == 1 ? 1 : window.strideHeight();
  }

  /** Rows of the image of one remainder modulo the stride, for a band. */
  private static long phaseRows(Window window, long band) {
    return band + (window.kernelHeight() - 1L) * window.dilationHeight() / window.strideHeight();
  }

  private static long up(long count, long to) {
    return CudaLayer.ceiling(count, to) * to;
  }

  /** The bytes of a sample's band in a stage: planes of outputs, then of the input's columns. */
  private static long unit(Factors factors, LayerGeometry call, boolean point, long band) {
    Window window = call.convolution().window();
    long length =
        window.kernelHeight() == 1 ? call.outWidth() : up(call.outWidth(), factors.together);
    long positions = up(band * length, factors.step);
    long rows = phaseRows(window, band);
    long last = 0;
    for (int y = 0; y < window.kernelHeight(); y++) {
      int at = y * window.dilationHeight();
      last = Math.max(last, at % window.strideHeight() * rows + at / window.strideHeight());
    }
    long input = Math.max(last * length + positions, phases(window) * rows * length);
    return ROWS / PIECE * factors.plane(positions)
        + (point ? pieces(true) : 12) * factors.plane(input);
  }

  /** Pieces of eight channels that a block multiplies. */
  private static long pieces(boolean point) {
    return point ? 36 : 4;
  }

  private static long bytes(
      Factors factors, LayerGeometry call, boolean point, int stages, long batch, long band) {
    Window window = call.convolution().window();
    long width =
        (call.outWidth() - 1) * window.strideWidth()
            + (window.kernelWidth() - 1L) * window.dilationWidth()
            + 1;
    long entries = phases(window) * phaseRows(window, band) * width;
    long table = stages * 2L * Long.BYTES + entries * (PIXEL + 2L * window.kernelWidth());
    return up(table, LINE) + stages * batch * unit(factors, call, point, band);
  }

  /** Blocks of a run of samples. */
  long tiles() {
    int groups = call.convolution().groups();
    return CudaLayer.ceiling(call.outputs() / groups, ROWS)
        * CudaLayer.ceiling(call.channels() / groups, pieces(point) * PIECE);
  }

  /**
   * How often all samples' blocks must be there for the device to be busy: one a multiprocessor.
   */
  long wanted(CudaContext context) {
    return CudaLayer.ceiling(
        context.driver().multiprocessors(), tiles() * call.convolution().groups());
  }

  /**
   * @param pointers input, output gradient, sum, rest, and the runs' partial sums or 0
   */
  void launch(CudaContext.Operation op, long runs, long[] pointers, int phase) {
    op.launch(
        "nep_square_gradients_sm90a_" + (point ? "point_" : "window_") + precision.suffix(),
        new CudaDriver.Grid(tiles(), call.convolution().groups(), runs),
        sharedBytes,
        CudaSquares.arguments(call, pointers, phase, stages, batch, band));
  }
}
