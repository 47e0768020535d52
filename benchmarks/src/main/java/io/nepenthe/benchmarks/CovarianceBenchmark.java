package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Covariance;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Covariances of the unfolded inputs of known layers, with the bias feature. */
@State(Scope.Benchmark)
public class CovarianceBenchmark extends KnownLayers {
  /** Samples in the batch; 0 for the layer's usual number. */
  @Param("0")
  public long samples;

  private Tensor input;
  private DriftFreeSum covariance;

  /** Fills the input. */
  @Setup
  public void prepare() {
    open(samples);
    input = Values.normal(arena, sizes.input(), 1);
    long features = features(sizes);
    covariance = DriftFreeSum.zeros(arena, Shape.of(features, features));
  }

  /** This project's kernel. */
  @Benchmark
  public long covariance() {
    backend
        .perSample()
        .covariance(sizes.convolution(), input, true, Covariance.Sharing.EXPAND, covariance);
    return covariance.count();
  }

  private static long features(LayerSizes sizes) {
    return sizes.weights().elements() / sizes.outputs() + 1;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    LayerSizes sizes =
        LayerSizes.of(parameter.apply("layer"), Long.parseLong(parameter.apply("samples")));
    return new Cost(
        Covariance.bytes(sizes.input().elements(), features(sizes)),
        Covariance.flops(sizes.samples() * sizes.positions(), features(sizes)));
  }
}
