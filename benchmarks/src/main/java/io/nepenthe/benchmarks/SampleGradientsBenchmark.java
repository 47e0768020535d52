package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.SampleGradients;
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

/** Per-sample weight gradients written out. */
@State(Scope.Benchmark)
public class SampleGradientsBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Which layer. */
  @Param({
    "64-64-3x3-32",
    "512-512-3x3-4",
    "1024-1024",
    "6-16-5x5-14",
    "768-2304-T64",
    "768-768-T64",
    "768-3072-T64",
    "3072-768-T64"
  })
  public String layer;

  /** Samples in the batch. */
  @Param("16")
  public long samples;

  private Arena arena;
  private Backend backend;
  private LayerSizes sizes;
  private Tensor input;
  private Tensor gradient;
  private Tensor out;

  /** Fills inputs and gradients. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    sizes = LayerSizes.of(layer, samples);
    input = Values.normal(arena, sizes.input(), 1);
    gradient = Values.normal(arena, sizes.output(), 2);
    long columns = sizes.weights().elements() / sizes.outputs();
    out = Tensor.zeros(arena, Shape.of(samples, sizes.outputs(), columns));
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** This project's kernel. */
  @Benchmark
  public Tensor sampleGradients() {
    backend.perSample().sampleGradients(sizes.convolution(), input, gradient, false, out);
    return out;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    LayerSizes sizes =
        LayerSizes.of(parameter.apply("layer"), Long.parseLong(parameter.apply("samples")));
    return new Cost(
        SampleGradients.bytes(sizes.size(), sizes.input().elements()),
        SampleGradients.flops(sizes.size()));
  }
}
