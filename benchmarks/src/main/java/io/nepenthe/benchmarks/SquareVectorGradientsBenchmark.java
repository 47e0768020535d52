package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.SquareVectorGradients;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Squared per-sample gradients of a bias, a normalisation's scale and an embedding table. */
@State(Scope.Benchmark)
public class SquareVectorGradientsBenchmark {
  private static final long POSITIONS = 1024;
  private static final long CHANNELS = 64;
  private static final int ROWS = 5000;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Samples in the batch, of 1024 positions and 64 channels. */
  @Param("64")
  public long samples;

  private Arena arena;
  private Backend backend;
  private Tensor gradient;
  private Tensor normalised;
  private MemorySegment tokens;
  private DriftFreeSum vector;
  private DriftFreeSum table;

  /** Fills gradients, inputs and tokens. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(samples, POSITIONS, CHANNELS);
    gradient = Values.normal(arena, shape, 1);
    normalised = Values.normal(arena, shape, 2);
    tokens = arena.allocate(ValueLayout.JAVA_INT, samples * POSITIONS);
    SplittableRandom random = new SplittableRandom(3);
    for (long i = 0; i < samples * POSITIONS; i++) {
      tokens.setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt(ROWS));
    }
    vector = DriftFreeSum.zeros(arena, Shape.of(CHANNELS));
    table = DriftFreeSum.zeros(arena, Shape.of(ROWS, CHANNELS));
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** A bias, or a normalisation's shift. */
  @Benchmark
  public long bias() {
    backend.squareBiasGradients(gradient, vector);
    return vector.count();
  }

  /** A normalisation's scale. */
  @Benchmark
  public long scale() {
    backend.squareScaleGradients(normalised, gradient, vector);
    return vector.count();
  }

  /** An embedding table of 5,000 rows. */
  @Benchmark
  public long embedding() {
    backend.squareEmbeddingGradients(tokens, gradient, table);
    return table.count();
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = Long.parseLong(parameter.apply("samples")) * POSITIONS * CHANNELS;
    long streams = method.equals("scale") ? 2 : 1;
    return new Cost(
        streams * SquareVectorGradients.bytes(n), streams * SquareVectorGradients.flops(n));
  }
}
