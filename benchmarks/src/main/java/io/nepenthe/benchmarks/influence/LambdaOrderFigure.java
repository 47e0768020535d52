package io.nepenthe.benchmarks.influence;

import io.nepenthe.benchmarks.Values;
import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * What the order of contraction saves for Λ, in operations and in seconds: both sides rotated
 * first, against every sample's gradient formed first and rotated on both sides. The best of
 * several runs, which alternate, of the layers one after another.
 */
final class LambdaOrderFigure implements Figure {
  private static final int LEAST = 3;
  private static final double SECONDS = 4;

  /** A layer's sizes; columns include the bias where it has one. */
  private record Layer(long positions, long columns, long outputs) {
    /** Formed first: the product, then a rotation of each side. */
    double formed() {
      return (double) outputs * columns * (positions + outputs + columns);
    }

    /** Each side rotated where it is smaller: before the product or after it. */
    double rotated() {
      return (double) positions * outputs * columns
          + columns * columns * (double) Math.min(positions, outputs)
          + outputs * outputs * (double) Math.min(positions, columns);
    }
  }

  private record Work(List<Layer> layers, long samples) {}

  private static final Map<String, Work> WORK =
      Map.of(
          "linear 1024 → 1024",
          new Work(List.of(new Layer(1, 1025, 1024)), 32),
          "MLP 784-1024-1024-1024-10",
          new Work(
              List.of(
                  new Layer(1, 785, 1024),
                  new Layer(1, 1025, 1024),
                  new Layer(1, 1025, 1024),
                  new Layer(1, 1025, 10)),
              32),
          "convolution 512 → 512 3×3 at 4×4",
          new Work(List.of(new Layer(16, 4608, 512)), 8));

  @Override
  public List<String> parts() {
    return List.of("cost");
  }

  @Override
  public List<String> data() {
    return WORK.keySet().stream().sorted().toList();
  }

  @Override
  public void measure(Backend backend, String data, long seed, Sink sink) {
    Work work = WORK.get(data);
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    double rotated = 0;
    double formed = 0;
    for (Layer layer : work.layers) {
      try (Sides sides = new Sides(backend, layer, work.samples, seed)) {
        double[] best = {Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY};
        long start = System.nanoTime();
        for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
          best[0] = Math.min(best[0], seconds(sides::rotated));
          best[1] = Math.min(best[1], seconds(sides::formed));
        }
        rotated += best[0];
        formed += best[1];
      }
    }
    values.put("samples", (double) work.samples);
    values.put("operations.rotated", 2 * work.layers.stream().mapToDouble(Layer::rotated).sum());
    values.put("operations.formed", 2 * work.layers.stream().mapToDouble(Layer::formed).sum());
    values.put("seconds.rotated", rotated);
    values.put("seconds.formed", formed);
    sink.add("cost", values);
  }

  private static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) * 1e-9;
  }

  /** The two orders on one layer's activations and gradients. */
  private static final class Sides implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Tensor none = Tensor.zeros(arena, 0);
    private final Tensor input;
    private final Tensor gradient;
    private final Tensor left;
    private final Tensor right;
    private final Tensor rotatedInput;
    private final Tensor rotatedGradient;
    private final Tensor formed;
    private final Tensor turned;
    private final Tensor tiles;
    private final DriftFreeSum sum;

    Sides(Backend backend, Layer layer, long samples, long seed) {
      this.backend = backend;
      long outputs = layer.outputs;
      long columns = layer.columns;
      input = Values.normal(arena, Shape.of(samples, layer.positions, columns), seed);
      gradient = Values.normal(arena, Shape.of(samples, layer.positions, outputs), seed + 1);
      left = Values.normal(arena, Shape.of(outputs, outputs), seed + 2);
      right = Values.normal(arena, Shape.of(columns, columns), seed + 3);
      rotatedInput = Tensor.zeros(arena, input.shape());
      rotatedGradient = Tensor.zeros(arena, gradient.shape());
      formed = Tensor.zeros(arena, samples, outputs, columns);
      turned = Tensor.zeros(arena, formed.shape());
      tiles = Tensor.zeros(arena, samples, outputs, outputs);
      for (long n = 0; n < samples; n++) {
        tiles.slice(n * outputs * outputs, left.shape()).copyFrom(left);
      }
      sum = DriftFreeSum.zeros(arena, Shape.of(outputs, columns));
    }

    void rotated() {
      product(input, right, rotatedInput);
      product(gradient, left, rotatedGradient);
      backend.squareGradients(rotatedInput, rotatedGradient, sum);
    }

    void formed() {
      backend.perSample().sampleGradients(input, gradient, false, formed);
      product(formed, right, turned);
      backend.perSample().sampleGradients(turned, tiles, false, formed);
      backend.accumulateSquare(sum, formed);
    }

    private void product(Tensor rows, Tensor matrix, Tensor out) {
      long inputs = matrix.shape().size(1);
      Affine.Linear sizes =
          new Affine.Linear(rows.elements() / inputs, inputs, matrix.shape().size(0), false);
      try (AffinePlan plan = backend.dense().plan(sizes)) {
        plan.forward(rows.reshape(sizes.input()), matrix, none, out.reshape(sizes.output()));
      }
    }

    @Override
    public void close() {
      arena.close();
    }
  }
}
