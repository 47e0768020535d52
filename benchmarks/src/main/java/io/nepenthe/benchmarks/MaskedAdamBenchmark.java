package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskedAdam;
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

/** A step of Adam for all weights, and for half of them. */
@State(Scope.Benchmark)
public class MaskedAdamBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  private Arena arena;
  private Backend backend;
  private Tensor values;
  private Tensor first;
  private Tensor second;
  private Tensor gradient;
  private Mask.Part mask;
  private long step;
  private MaskedAdam.Options options;

  /** Fills weights and gradient. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(weights);
    values = Values.normal(arena, shape, 1);
    first = Tensor.zeros(arena, shape);
    second = Tensor.zeros(arena, shape);
    gradient = Values.normal(arena, shape, 2);
    mask = Values.half(arena, shape, 3);
    options = MaskedAdam.Options.adamW(0.001f, 0.1f);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** Every weight moves. */
  @Benchmark
  public Tensor adam() {
    backend.adam(values, first, second, gradient, ++step, options);
    return values;
  }

  /** A random half moves. */
  @Benchmark
  public Tensor maskedAdam() {
    backend.maskedAdam(values, first, second, gradient, mask, ++step, options);
    return values;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = Long.parseLong(parameter.apply("weights"));
    return new Cost(MaskedAdam.bytes(n), MaskedAdam.flops(n));
  }
}
