package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The parts of a pass beside convolutions and products, on the first images of a ResNet. */
@State(Scope.Benchmark)
public class DenseBenchmark {
  private static final Window HALF = Window.square(2).withStride(2);
  private static final Padding AROUND = Padding.of(1, Padding.Mode.CIRCULAR);
  private static final float EPSILON = 1e-5f;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Samples of 32·32·64: 64 MB an array, so that no cache holds one. */
  @Param("256")
  public long samples;

  private Arena arena;
  private Backend backend;
  private Dense dense;
  private Tensor x;
  private Tensor y;
  private Tensor dy;
  private Tensor dx;
  private Tensor pooled;
  private Tensor pooledGradient;
  private Tensor padded;
  private Tensor mean;
  private Tensor variance;
  private Tensor scale;
  private Tensor shift;

  /** Fills the images. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    dense = backend.dense();
    Shape image = image(samples);
    Shape half = Shape.of(samples, 16, 16, 64);
    x = Values.normal(arena, image, 1);
    dy = Values.normal(arena, image, 2);
    y = Tensor.zeros(arena, image);
    dx = Tensor.zeros(arena, image);
    pooled = Tensor.zeros(arena, half);
    pooledGradient = Values.normal(arena, half, 3);
    padded = Tensor.zeros(arena, around(samples));
    Shape channels = Shape.of(64);
    mean = Tensor.zeros(arena, channels);
    variance = Values.uniform(arena, channels, 4);
    scale = Values.uniform(arena, channels, 5);
    shift = Tensor.zeros(arena, channels);
    dense.relu(x, y);
    dense.maxPool(x, pooled, HALF);
  }

  private static Shape image(long samples) {
    return Shape.of(samples, 32, 32, 64);
  }

  private static Shape around(long samples) {
    return Shape.of(samples, AROUND.outputHeight(32), AROUND.outputWidth(32), 64);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** Rectified linear units. */
  @Benchmark
  public void relu() {
    dense.relu(x, y);
  }

  /** Their gradient. */
  @Benchmark
  public void reluGradient() {
    dense.reluGradient(y, dy, dx);
  }

  /** A residual connection's sum. */
  @Benchmark
  public void add() {
    dense.add(x, dy, dx);
  }

  /** Seeded dropout of a half. */
  @Benchmark
  public void dropout() {
    dense.dropout(x, dx, 1, 0.5);
  }

  /** Continuously differentiable exponential linear units. */
  @Benchmark
  public void celu() {
    dense.celu(x, dx, 0.075f);
  }

  /** The maxima of 2×2 windows. */
  @Benchmark
  public void maxPool() {
    dense.maxPool(x, pooled, HALF);
  }

  /** Their gradient. */
  @Benchmark
  public void maxPoolGradient() {
    dense.maxPoolGradient(x, pooled, pooledGradient, dx, HALF);
  }

  /** One position around, the other end's. */
  @Benchmark
  public void pad() {
    dense.pad(x, padded, AROUND);
  }

  /** Their gradient. */
  @Benchmark
  public void padGradient() {
    dense.padGradient(padded, dx, AROUND);
  }

  /** Mean and variance of every channel. */
  @Benchmark
  public void batchNormStatistics() {
    dense.batchNormStatistics(x, mean, shift);
  }

  /** Normalised and scaled values, both kept. */
  @Benchmark
  public void batchNorm() {
    dense.batchNorm(x, mean, variance, scale, shift, EPSILON, dx, y);
  }

  /** The gradients of scale and shift. */
  @Benchmark
  public void batchNormSums() {
    dense.batchNormSums(x, dy, mean, shift, false);
  }

  /** The gradient of the input. */
  @Benchmark
  public void batchNormGradient() {
    dense.batchNormGradient(x, dy, variance, scale, EPSILON, mean, shift, false, dx);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long samples = Long.parseLong(parameter.apply("samples"));
    long n = image(samples).elements();
    long more = around(samples).elements();
    long quarter = n / 4;
    return switch (method) {
      case "relu" -> floats(2 * n, n);
      case "reluGradient", "add" -> floats(3 * n, n);
      case "dropout", "celu" -> floats(2 * n, n);
      case "maxPool" -> floats(n + quarter, n);
      case "maxPoolGradient" -> floats(2 * n + 2 * quarter, n);
      case "pad" -> floats(n + more, 0);
      case "padGradient" -> floats(n + more, more);
      // Twice over the values: the mean first, then the squared deviations.
      case "batchNormStatistics" -> floats(2 * n, 4 * n);
      case "batchNorm" -> floats(3 * n, 4 * n);
      case "batchNormSums" -> floats(2 * n, 3 * n);
      case "batchNormGradient" -> floats(3 * n, 6 * n);
      default -> throw new IllegalArgumentException(method);
    };
  }

  private static Cost floats(long moved, long operations) {
    return new Cost(Float.BYTES * moved, operations);
  }
}
