package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Accumulate;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
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

/** One term a call, of all weights at once, as an importance is summed over batches. */
@State(Scope.Benchmark)
public class AccumulateBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  private Arena arena;
  private Backend backend;
  private DriftFreeSum state;
  private Tensor term;

  /** Fills the term. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(weights);
    state = DriftFreeSum.zeros(arena, shape);
    term = Values.normal(arena, shape, 1);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** Of the values themselves. */
  @Benchmark
  public void accumulate() {
    backend.accumulate(state, term);
  }

  /** Of their squares. */
  @Benchmark
  public void accumulateSquare() {
    backend.accumulateSquare(state, term);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = Long.parseLong(parameter.apply("weights"));
    return new Cost(Accumulate.bytes(n), Accumulate.flops(n));
  }
}
