package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Dampen;
import io.nepenthe.kernel.Device;
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

/** Dampening of all weights at once, with a few or half of them selected. */
@State(Scope.Benchmark)
public class DampenBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  /** The share of the weights that is dampened. */
  @Param({"0.01", "0.5"})
  public double selected;

  private Arena arena;
  private Backend backend;
  private Tensor values;
  private Tensor forget;
  private Tensor reference;
  private Dampen.Options options;

  /** Fills weights and importances. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(weights);
    values = Values.normal(arena, shape, 1);
    forget = Values.uniform(arena, shape, 2);
    reference = Values.uniform(arena, shape, 3);
    // P(f > α·d) is 1/(2α) for uniform f and d and α ≥ 1. The large λ makes every factor reach its
    // upper bound, 1, so that each call finds the weights of the first: none drifts to zero.
    options = new Dampen.Options((float) (0.5 / selected), 0x1p20f, 1);
    long found = backend.dampen(values, forget, reference, options).selected();
    if (Math.abs((double) found / weights - selected) > 0.2 * selected) {
      throw new IllegalStateException(found + " of " + weights + " selected, not " + selected);
    }
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** One sweep. */
  @Benchmark
  public Dampen.Result dampen() {
    return backend.dampen(values, forget, reference, options);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = Long.parseLong(parameter.apply("weights"));
    double selected = Double.parseDouble(parameter.apply("selected"));
    return new Cost(Dampen.bytes(n, selected), Dampen.flops(n));
  }
}
