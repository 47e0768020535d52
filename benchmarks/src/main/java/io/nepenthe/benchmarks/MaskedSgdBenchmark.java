package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskedSgd;
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

/** A step of stochastic gradient descent for all weights, and for half of them. */
@State(Scope.Benchmark)
public class MaskedSgdBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  private Arena arena;
  private Backend backend;
  private Tensor values;
  private Tensor velocity;
  private Tensor gradient;
  private Mask.Part mask;
  private MaskedSgd.Options options;

  /** Fills weights, velocity and gradient. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(weights);
    values = Values.normal(arena, shape, 1);
    velocity = Tensor.zeros(arena, shape);
    gradient = Values.normal(arena, shape, 2);
    mask = Values.half(arena, shape, 3);
    // The decay keeps repeated steps along one gradient from growing without bound.
    options = MaskedSgd.Options.of(0.01f, 0.9f, 0.1f);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** Every weight moves. */
  @Benchmark
  public Tensor sgd() {
    backend.sgd(values, velocity, gradient, options);
    return values;
  }

  /** A random half moves. */
  @Benchmark
  public Tensor maskedSgd() {
    backend.maskedSgd(values, velocity, gradient, mask, options);
    return values;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = Long.parseLong(parameter.apply("weights"));
    return new Cost(MaskedSgd.bytes(n), MaskedSgd.flops(n));
  }
}
