package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.SquareGradients;
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

/**
 * Where products of pairs of positions stop paying: both strategies of squareGradients on a 768×768
 * linear layer with few shared positions. {@link SquareGradients#strategyFor} follows this table.
 */
@State(Scope.Benchmark)
public class SquareGradientsStrategyBenchmark {
  private static final long FEATURES = 768;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Positions that share the weights. */
  @Param({"1", "2", "3", "4", "6"})
  public long positions;

  /** How the square is formed. */
  @Param({"PRODUCTS", "PAIRS"})
  public SquareGradients.Strategy strategy;

  /** Samples in the batch. */
  @Param("256")
  public long samples;

  private Arena arena;
  private Backend backend;
  private Tensor input;
  private Tensor gradient;
  private DriftFreeSum squares;

  /** Fills inputs and gradients. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    long batch = samples == 0 ? 256 : samples;
    input = Values.normal(arena, Shape.of(batch, positions, FEATURES), 1);
    gradient = Values.normal(arena, Shape.of(batch, positions, FEATURES), 2);
    squares = DriftFreeSum.zeros(arena, Shape.of(FEATURES, FEATURES));
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** One batch. */
  @Benchmark
  public long squareGradients() {
    backend.squareGradients(input, gradient, squares, strategy);
    return squares.count();
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long batch = Long.parseLong(parameter.apply("samples"));
    long positions = Long.parseLong(parameter.apply("positions"));
    SquareGradients.Size size = new SquareGradients.Size(batch, positions, FEATURES, FEATURES);
    return new Cost(
        SquareGradients.bytes(size, batch * positions * FEATURES),
        SquareGradients.flops(size, SquareGradients.Strategy.valueOf(parameter.apply("strategy"))));
  }
}
