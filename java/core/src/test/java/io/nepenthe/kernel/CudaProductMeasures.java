package io.nepenthe.kernel;

import io.nepenthe.kernel.SquareGradients.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The kernels that multiply, as fractions of the multiply-add rate in a precision, on a ResNet's
 * first and last stage.
 *
 * @param roof operations a second
 * @param cores those of the CUDA cores
 */
record CudaProductMeasures(CudaStopwatch watch, Precision precision, double roof, double cores) {
  private static final Convolution CONVOLUTION = Window.square(3).withPadding(1).convolution(1);
  private static final long QUERIES = 51;

  void run(int samples) {
    boolean trial = samples <= 2;
    int fewer = Math.max(2, samples / 4);
    for (Stage stage :
        new Stage[] {
          new Stage(samples, trial ? 8 : 64, 32), new Stage(samples, trial ? 8 : 512, 4)
        }) {
      layer(stage);
      squares(stage);
      perSample(new Stage(fewer, stage.channels, stage.side));
    }
    vectors(samples, trial ? 16 : 1024);
    shared(fewer, trial ? 8 : 512, trial ? 16 : 768);
    linear(Math.max(8, samples * 32L), trial ? 16 : 768, trial ? 32 : 3072);
  }

  /** Images of a network's stage. */
  private record Stage(int samples, long channels, int side) {
    Shape image() {
      return Shape.of(samples, side, side, channels);
    }

    Shape weights() {
      return CONVOLUTION.weights(channels, channels);
    }

    SquareGradients.Size size() {
      return new SquareGradients.Size(
          samples, (long) side * side, weights().elements() / channels, channels);
    }

    String name(Precision precision) {
      return " %d→%d %d² %s".formatted(channels, channels, side, precision);
    }
  }

  private Tensor values(long seed, Shape shape) {
    return watch.values(seed, shape.elements()).reshape(shape);
  }

  private Tensor zeros(Shape shape) {
    return watch.zeros(shape.elements()).reshape(shape);
  }

  /** The engine's convolution, forward and both gradients. */
  private void layer(Stage s) {
    var sizes =
        new Affine.Convolution(
            s.samples,
            s.side,
            s.side,
            s.channels,
            s.channels,
            CONVOLUTION.window(),
            CONVOLUTION.groups(),
            false);
    affine("convolution", sizes, s.name(precision));
  }

  /** A transformer's widest layer. */
  private void linear(long tokens, long inputs, long outputs) {
    affine(
        "linear",
        new Affine.Linear(tokens, inputs, outputs, true),
        " %d→%d of %d %s".formatted(inputs, outputs, tokens, precision));
  }

  private void affine(String name, Affine sizes, String layer) {
    Tensor x = values(1, sizes.input());
    Tensor dy = values(2, sizes.output());
    Tensor weights = values(3, sizes.weights());
    Tensor bias = zeros(sizes.biases());
    Tensor y = zeros(sizes.output());
    Tensor dx = zeros(sizes.input());
    Tensor dWeights = zeros(sizes.weights());
    Tensor dBias = zeros(sizes.biases());
    try (AffinePlan plan = watch.backend().dense().plan(sizes)) {
      flops(name + " forward" + layer, sizes.flops(), () -> plan.forward(x, weights, bias, y));
      flops(
          name + " inputGradient" + layer,
          sizes.flops(),
          () -> plan.inputGradient(dy, weights, dx, false));
      flops(
          name + " parameterGradient" + layer,
          sizes.flops(),
          () -> plan.parameterGradient(x, dy, dWeights, dBias, false));
    }
  }

  private void flops(String name, double flops, Runnable work) {
    watch.flops(name, flops, roof, work);
  }

  private void squares(Stage s) {
    Tensor x = values(5, s.image());
    Tensor g = values(6, s.image());
    DriftFreeSum state = DriftFreeSum.of(zeros(s.weights()), zeros(s.weights()));
    squares(s.name(precision), SquareGradients.convolution(CONVOLUTION, x, g, state), x, g, state);
  }

  /** A transformer's layer, whose weights many positions share. */
  private void shared(int samples, long positions, long features) {
    Tensor x = values(5, Shape.of(samples, positions, features));
    Tensor g = values(6, Shape.of(samples, positions, features));
    Shape weights = Shape.of(features, features);
    DriftFreeSum state = DriftFreeSum.of(zeros(weights), zeros(weights));
    squares(
        " %d→%d of %d %s".formatted(features, features, positions, precision),
        SquareGradients.linear(x, g, state),
        x,
        g,
        state);
  }

  /** By every chip's matrix instructions, and by Hopper's where they are. */
  private void squares(String layer, LayerGeometry call, Tensor x, Tensor g, DriftFreeSum state) {
    CudaContext context = watch.backend().context();
    var size =
        new SquareGradients.Size(
            call.samples(),
            call.positions(),
            state.shape().elements() / call.outputs(),
            call.outputs());
    double flops = SquareGradients.flops(size, Strategy.PRODUCTS);
    double squares = flops / (size.positions() + 1);
    double bound =
        precision == Precision.FP32
            ? roof
            : flops / Math.max((flops - squares) / roof, squares / cores);
    for (CudaSquares.Instructions instructions : CudaSquares.Instructions.values()) {
      boolean wgmma = instructions == CudaSquares.Instructions.WGMMA;
      if (!wgmma
          || (precision != Precision.FP32
              && context.driver().capability() == CudaHopperSquares.CAPABILITY)) {
        watch.flops(
            "squareGradients" + (wgmma ? " by wgmma" : "") + layer,
            flops,
            bound,
            () ->
                CudaSquares.weights(
                    context, precision, call, x, g, state, Strategy.PRODUCTS, instructions));
      }
    }
  }

  /** A linear layer of one position, where squares of gradients are products of squares. */
  private void vectors(int samples, long features) {
    String layer = " %d→%d %s".formatted(features, features, precision);
    Tensor x = watch.values(5, samples, features);
    Tensor g = watch.values(6, samples, features);
    Tensor weight = watch.values(7, features, features);
    DriftFreeSum state =
        DriftFreeSum.of(watch.zeros(features, features), watch.zeros(features, features));
    var size = new SquareGradients.Size(samples, 1, features, features);
    flops(
        "squareGradients" + layer,
        SquareGradients.flops(size, SquareGradients.strategyFor(1)),
        () -> watch.backend().squareGradients(x, g, state));
    Tensor self = watch.zeros(samples);
    flops(
        "selfScores" + layer,
        SelfScores.flops(size, SelfScores.strategyFor(1)),
        () -> watch.backend().perSample().selfScores(x, g, weight, self));
    long rank = 32;
    Tensor left = watch.values(8, samples, 1, QUERIES, rank);
    Tensor right = watch.values(9, samples, 1, QUERIES, rank);
    Tensor scores = watch.zeros(QUERIES, samples);
    flops(
        "pairScoresFactored of " + QUERIES + layer,
        2.0 * QUERIES * samples * rank,
        () -> watch.backend().perSample().pairScoresFactored(left, right, scores));
  }

  /** The operations of curvature and influence. */
  private void perSample(Stage s) {
    Tensor x = values(7, s.image());
    Tensor g = values(8, s.image());
    SquareGradients.Size size = s.size();
    long features = size.columns();
    PerSample kernels = watch.backend().perSample();
    Shape square = Shape.of(features, features);
    DriftFreeSum sum = DriftFreeSum.of(zeros(square), zeros(square));
    flops(
        "covariance" + s.name(precision),
        Covariance.flops(s.samples * size.positions(), features),
        () -> kernels.covariance(CONVOLUTION, x, false, Covariance.Sharing.EXPAND, sum));
    flops(
        "covariance of means" + s.name(precision),
        Covariance.flops(s.samples, features),
        () -> kernels.covariance(CONVOLUTION, x, false, Covariance.Sharing.MEAN, sum));
    Tensor gradients = zeros(Shape.of(s.samples, s.channels, features));
    flops(
        "sampleGradients" + s.name(precision),
        SampleGradients.flops(size),
        () -> kernels.sampleGradients(CONVOLUTION, x, g, false, gradients));
    Tensor self = watch.zeros(s.samples);
    Tensor weight = values(9, s.weights());
    flops(
        "selfScores" + s.name(precision),
        SelfScores.flops(size, SelfScores.strategyFor(size.positions())),
        () -> kernels.selfScores(CONVOLUTION, x, g, weight, self));
    try (Arena arena = Arena.ofShared()) {
      Tensor queries = values(10, Shape.of(QUERIES, s.channels, features));
      PackedQueries packed = kernels.packQueries(arena, size.positions(), 1, queries);
      Tensor scores = watch.zeros(QUERIES, s.samples);
      flops(
          "pairScores of " + QUERIES + s.name(precision),
          PairScores.flops(size, QUERIES),
          () -> kernels.pairScores(CONVOLUTION, x, g, false, packed, scores));
    }
  }
}
