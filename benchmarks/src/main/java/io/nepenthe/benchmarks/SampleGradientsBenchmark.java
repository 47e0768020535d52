package io.nepenthe.benchmarks;

import io.nepenthe.kernel.SampleGradients;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Per-sample weight gradients written out. */
@State(Scope.Benchmark)
public class SampleGradientsBenchmark extends KnownLayers {
  /** Samples in the batch. */
  @Param("16")
  public long samples;

  private Tensor input;
  private Tensor gradient;
  private Tensor out;

  /** Fills inputs and gradients. */
  @Setup
  public void prepare() {
    open(samples);
    input = Values.normal(arena, sizes.input(), 1);
    gradient = Values.normal(arena, sizes.output(), 2);
    long columns = sizes.weights().elements() / sizes.outputs();
    out = Tensor.zeros(arena, Shape.of(samples, sizes.outputs(), columns));
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
