package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Covariance;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.PackedQueries;
import io.nepenthe.kernel.PairScores;
import io.nepenthe.kernel.PerSample;
import io.nepenthe.kernel.Roof;
import io.nepenthe.kernel.SelfScores;
import io.nepenthe.kernel.SquareGradients;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Locale;

/**
 * What the order of contraction costs, and how near the kernels come to the multiply-add roof: the
 * best of many runs on one thread, the roof measured between them, for machines that have other
 * work too.
 */
final class InfluenceCost {
  private static final double SECONDS = 4;
  private static final int LEAST = 5;

  private final Arena arena = Arena.ofShared();
  private final Backend backend = Device.cpu(1).open();
  private final Tensor none = Tensor.zeros(arena, 0);

  private InfluenceCost() {}

  static void print() {
    InfluenceCost cost = new InfluenceCost();
    cost.lambda("MLP layer 1024 → 1024", 1, 1025, 1024, 32);
    cost.lambda("convolution 512 → 512, 3×3 at 4×4", 16, 4608, 512, 8);
    cost.kernels("512-512-3x3-4", 16);
    cost.kernels("64-64-3x3-32", 8);
    cost.kernels("1024-1024", 256);
  }

  /** Best seconds of an operation, and the roof's best rate between its runs. */
  private double[] best(Runnable work) {
    double best = Double.POSITIVE_INFINITY;
    double roof = 0;
    long start = System.nanoTime();
    for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
      long began = System.nanoTime();
      work.run();
      long ended = System.nanoTime();
      best = Math.min(best, (ended - began) * 1e-9);
      long operations = Roof.multiplyAdd(200_000, 1);
      roof = Math.max(roof, operations / ((System.nanoTime() - ended) * 1e-9));
    }
    return new double[] {best, roof};
  }

  private static void say(String format, Object... values) {
    System.out.println(String.format(Locale.ROOT, format, values));
  }

  /** Λ of one layer: rotated first where that is cheaper, and every gradient formed and rotated. */
  private void lambda(String name, long positions, long columns, long outputs, long samples) {
    Tensor input = Values.normal(arena, Shape.of(samples, positions, columns), 1);
    Tensor gradient = Values.normal(arena, Shape.of(samples, positions, outputs), 2);
    Tensor left = Values.normal(arena, Shape.of(outputs, outputs), 3);
    Tensor right = Values.normal(arena, Shape.of(columns, columns), 4);
    Tensor rotatedInput = Tensor.zeros(arena, input.shape());
    Tensor rotatedGradient = Tensor.zeros(arena, gradient.shape());
    DriftFreeSum sum = DriftFreeSum.zeros(arena, Shape.of(outputs, columns));
    double ours =
        best(
            () -> {
              product(input, right, rotatedInput);
              product(gradient, left, rotatedGradient);
              backend.squareGradients(rotatedInput, rotatedGradient, sum);
            })[0];
    Tensor formed = Tensor.zeros(arena, samples, outputs, columns);
    Tensor turned = Tensor.zeros(arena, formed.shape());
    Tensor tiles = Tensor.zeros(arena, samples, outputs, outputs);
    for (long n = 0; n < samples; n++) {
      tiles.slice(n * outputs * outputs, left.shape()).copyFrom(left);
    }
    double first =
        best(
            () -> {
              backend.perSample().sampleGradients(input, gradient, false, formed);
              product(formed, right, turned);
              backend.perSample().sampleGradients(turned, tiles, false, formed);
              backend.accumulateSquare(sum, formed);
            })[0];
    double rule =
        positions * outputs * columns
            + columns * columns * (double) Math.min(positions, outputs)
            + outputs * outputs * (double) Math.min(positions, columns);
    double naive = (double) outputs * columns * (positions + outputs + columns);
    say(
        "Λ of %s: operations %.1f times fewer, %.3f ms against %.3f ms a sample, %.1f times faster",
        name, naive / rule, 1e3 * ours / samples, 1e3 * first / samples, first / ours);
  }

  private void product(Tensor rows, Tensor matrix, Tensor out) {
    long inputs = matrix.shape().size(1);
    Affine.Linear sizes =
        new Affine.Linear(rows.elements() / inputs, inputs, matrix.shape().size(0), false);
    try (AffinePlan plan = backend.dense().plan(sizes)) {
      plan.forward(rows.reshape(sizes.input()), matrix, none, out.reshape(sizes.output()));
    }
  }

  private void kernels(String layer, long samples) {
    LayerSizes sizes = LayerSizes.of(layer, samples);
    SquareGradients.Size size = sizes.size();
    Tensor input = Values.normal(arena, sizes.input(), 1);
    Tensor gradient = Values.normal(arena, sizes.output(), 2);
    long features = size.columns() + 1;
    DriftFreeSum covariance = DriftFreeSum.zeros(arena, Shape.of(features, features));
    PerSample operations = backend.perSample();
    rate(
        layer + " covariance",
        Covariance.flops(samples * size.positions(), features),
        () ->
            operations.covariance(
                sizes.convolution(), input, true, Covariance.Sharing.EXPAND, covariance));
    for (long count : new long[] {1, 51}) {
      Shape shape = Shape.of(count, size.outputs(), size.columns());
      PackedQueries queries = operations.packQueries(arena, 1, Values.normal(arena, shape, 3));
      Tensor scores = Tensor.zeros(arena, count, samples);
      rate(
          layer + " pairScores, queries " + count,
          PairScores.flops(size, count),
          () ->
              operations.pairScores(sizes.convolution(), input, gradient, false, queries, scores));
    }
    Tensor rotated = Values.normal(arena, Shape.of(samples, size.positions(), size.columns()), 4);
    Tensor turned = gradient.reshape(Shape.of(samples, size.positions(), size.outputs()));
    Tensor weights = Values.normal(arena, Shape.of(size.outputs(), size.columns()), 5);
    Tensor self = Tensor.zeros(arena, samples);
    rate(
        layer + " selfScores",
        SelfScores.flops(size, SelfScores.strategyFor(size.positions())),
        () -> operations.selfScores(rotated, turned, weights, self));
  }

  private void rate(String name, long operations, Runnable work) {
    double[] found = best(work);
    say(
        "%s: %.2f ms, %.1f GFLOP/s, %.0f %% of the multiply-add roof of %.1f",
        name,
        1e3 * found[0],
        operations / found[0] * 1e-9,
        100 * operations / found[0] / found[1],
        found[1] * 1e-9);
  }
}
