package io.nepenthe.kernel;

import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Launches of cuda/square_gradients.cu and cuda/square_vector_gradients.cu. */
final class CudaSquares {
  /** Of the blocks along y, or along z. */
  private static final long MOST = 65535;

  private static final long CHANNELS = 32;
  private static final long COLUMNS = 128;

  /** An embedding's tokens are in so many shares at most, of some words each. */
  private static final long SHARES = 256;

  private static final long WORDS_A_SHARE = 8;

  /** Which instructions form products in BF16 or TF32: the values of {@link #PROPERTY}. */
  enum Instructions {
    /** Of a warp, mma.sync: every chip has them. */
    MMA,
    /** Of four warps, wgmma: Hopper's, for the layers that {@link CudaHopperSquares} cuts. */
    WGMMA
  }

  /**
   * {@code mma} (the default, as nothing has been measured on a device of compute capability 9.0
   * yet) or {@code wgmma}.
   */
  static final String PROPERTY = "nepenthe.cuda.squares";

  private CudaSquares() {}

  /** What the property asks for. */
  static Instructions chosen(CudaDriver driver) {
    String value = System.getProperty(PROPERTY, "mma");
    if (!value.equals("mma") && !value.equals("wgmma")) {
      throw new CudaException("-D" + PROPERTY + "=" + value + ": expected mma or wgmma");
    }
    boolean wgmma = value.equals("wgmma");
    if (wgmma && driver.capability() != CudaHopperSquares.CAPABILITY) {
      throw new CudaException(
          "-D%s=wgmma needs compute capability 9.0, %s has %d.%d"
              .formatted(
                  PROPERTY, driver.name(), driver.capability() / 10, driver.capability() % 10));
    }
    if (wgmma && !(driver instanceof EmulatedDriver)) {
      CudaKernels.wrongForWgmma()
          .ifPresent(
              compiler -> {
                throw new CudaException(
                    "-D%s=wgmma needs kernels by nvcc 13.0.88 or newer, these are by %s, which gets wgmma wrong"
                        .formatted(PROPERTY, compiler));
              });
    }
    return wgmma ? Instructions.WGMMA : Instructions.MMA;
  }

  /**
   * Weights of a linear layer or a convolution. With more than one position a sample, pairs are
   * formed as products: on the tensor cores these cost less.
   */
  static void weights(
      CudaContext context,
      Precision precision,
      LayerGeometry call,
      Tensor input,
      Tensor gradient,
      DriftFreeSum weights,
      Strategy strategy,
      Instructions instructions) {
    SquareGradients.requireFew(call, strategy);
    long count = weights.shape().elements();
    if (input.elements() > 0 && gradient.elements() > 0 && count > 0) {
      long groups = call.convolution().groups();
      long columns = count / call.outputs();
      var size =
          new SquareGradients.Size(call.samples(), call.positions(), columns, call.outputs());
      Strategy used = call.positions() == 1 ? strategy : Strategy.PRODUCTS;
      long tiles = CudaLayer.tiles(call.outputs() / groups, columns);
      Optional<CudaHopperSquares> hopper =
          used == Strategy.PRODUCTS && instructions == Instructions.WGMMA
              ? CudaHopperSquares.of(precision, call)
              : Optional.empty();
      long runs =
          hopper
              .map(h -> runs(h.wanted(context), call.samples()))
              .orElseGet(() -> runs(CudaLayer.wanted(context, tiles * groups), call.samples()));
      try (var op =
          context.begin(
              "squareGradients",
              input.shape() + " " + gradient.shape(),
              SquareGradients.bytes(size, input.elements()),
              SquareGradients.flops(size, used))) {
        long sum = op.update(weights.sum());
        long rest = op.update(weights.rest());
        long partial = runs == 1 ? 0L : op.scratch(runs * count * Float.BYTES);
        long[] pointers = {op.read(input), op.read(gradient), sum, rest, partial};
        if (hopper.isPresent()) {
          hopper.get().launch(op, runs, pointers, weights.phase());
        } else {
          launch(
              op,
              "nep_square_gradients_" + precision.suffix(),
              new CudaDriver.Grid(tiles, groups, runs),
              pointers,
              call,
              weights.phase(),
              used);
        }
        if (runs > 1) {
          op.launch(
              "nep_square_gradients_totals",
              context.blocks("nep_square_gradients_totals", count, 1),
              partial,
              call.samples(),
              runs,
              count,
              weights.phase(),
              sum,
              rest);
        }
        op.finish();
      }
    }
    weights.advance(call.samples());
  }

  /** 1, or as many runs as keep the device busy, of no more than a period of samples each. */
  static long runs(long wanted, long samples) {
    if (wanted <= 1) {
      return 1;
    }
    long periods = CudaLayer.ceiling(samples, DriftFreeSum.PERIOD);
    return Math.min(Math.min(samples, MOST), Math.max(wanted, periods));
  }

  static void launch(
      CudaContext.Operation op,
      String kernel,
      CudaDriver.Grid grid,
      long[] pointers,
      LayerGeometry call,
      int phase,
      Strategy strategy) {
    op.launch(kernel, grid, arguments(call, pointers, phase, strategy.ordinal()));
  }

  /**
   * Of every kernel of squares: the pointers, the samples, the phase, what is its own, the sizes.
   */
  static Object[] arguments(LayerGeometry call, long[] pointers, int phase, Object... own) {
    List<Object> all = new ArrayList<>();
    for (long pointer : pointers) {
      all.add(pointer);
    }
    all.add(call.samples());
    all.add(phase);
    all.addAll(List.of(own));
    return CudaLayer.arguments(call, all.toArray());
  }

  /** A bias, or, where the normalised input is given, a scale. */
  static void vector(
      CudaContext context, Optional<Tensor> normalised, Tensor gradient, DriftFreeSum state) {
    SquareVectorGradients.check(gradient, state);
    long samples = SquareVectorGradients.samples(gradient);
    long channels = SquareVectorGradients.channels(gradient);
    normalised.ifPresent(
        input -> {
          Checks.shape("normalised input", input, gradient.shape());
          Checks.untouched(state, "normalised input", input);
        });
    if (gradient.elements() > 0) {
      int reads = normalised.isPresent() ? 2 : 1;
      try (var op =
          context.begin(
              "squareVectorGradients",
              gradient.shape(),
              SquareVectorGradients.bytes(gradient.elements()) * reads,
              SquareVectorGradients.flops(gradient.elements()) * reads)) {
        long totals = op.scratch(samples * channels * Float.BYTES);
        op.launch(
            "nep_square_vector_gradients_positions",
            new CudaDriver.Grid(CudaLayer.ceiling(channels, CHANNELS), Math.min(samples, MOST), 1),
            op.read(gradient),
            normalised.map(op::read).orElse(0L),
            samples,
            SquareVectorGradients.positions(gradient),
            channels,
            totals);
        op.launch(
            "nep_square_vector_gradients_samples",
            context.blocks("nep_square_vector_gradients_samples", channels, 1),
            totals,
            samples,
            channels,
            state.phase(),
            op.update(state.sum()),
            op.update(state.rest()));
        op.finish();
      }
    }
    state.advance(samples);
  }

  static void embedding(
      CudaContext context, MemorySegment tokens, Tensor gradient, DriftFreeSum rows) {
    SquareVectorGradients.checkEmbedding(tokens, gradient, rows);
    Shape shape = gradient.shape();
    long samples = shape.size(0);
    if (gradient.elements() > 0) {
      int positions = Math.toIntExact(shape.size(1));
      try (var op =
          context.begin(
              "squareVectorGradients",
              shape,
              SquareVectorGradients.bytes(gradient.elements()),
              SquareVectorGradients.flops(gradient.elements()))) {
        long words = op.upload(tokens);
        long links = op.scratch(tokens.byteSize());
        op.launch(
            "nep_square_vector_gradients_links",
            context.blocks("nep_square_vector_gradients_links", samples * positions, 1),
            words,
            samples,
            positions,
            links);
        embedSamples(context, op, words, links, positions, gradient, rows);
        op.finish();
      }
    }
    rows.advance(samples);
  }

  /** Sample by sample up to each fold. */
  private static void embedSamples(
      CudaContext context,
      CudaContext.Operation op,
      long tokens,
      long links,
      int positions,
      Tensor gradient,
      DriftFreeSum rows) {
    long values = op.read(gradient);
    long sum = op.update(rows.sum());
    long rest = op.update(rows.rest());
    long columns = gradient.shape().size(2);
    long samples = gradient.shape().size(0);
    long to;
    for (long from = 0; from < samples; from = to) {
      to =
          Math.min(
              samples, from + DriftFreeSum.PERIOD - (rows.phase() + from) % DriftFreeSum.PERIOD);
      op.launch(
          "nep_square_vector_gradients_embedding",
          new CudaDriver.Grid(
              CudaLayer.ceiling(columns, COLUMNS),
              Math.clamp((to - from) * positions / WORDS_A_SHARE, 1, SHARES),
              1),
          tokens,
          links,
          values,
          from,
          to,
          positions,
          columns,
          rest);
      if ((rows.phase() + to) % DriftFreeSum.PERIOD == 0) {
        long n = rows.shape().elements();
        op.launch(
            "nep_square_vector_gradients_fold",
            context.blocks("nep_square_vector_gradients_fold", n, 1),
            sum,
            rest,
            n);
      }
    }
  }
}
