package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Covariance;
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

/** Covariances of the unfolded inputs of known layers, with the bias feature. */
@State(Scope.Benchmark)
public class CovarianceBenchmark {
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

  /** Samples in the batch; 0 for the layer's usual number. */
  @Param("0")
  public long samples;

  private Arena arena;
  private Backend backend;
  private LayerSizes sizes;
  private Tensor input;
  private DriftFreeSum covariance;

  /** Fills the input. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    sizes = LayerSizes.of(layer, samples);
    input = Values.normal(arena, sizes.input(), 1);
    long features = features(sizes);
    covariance = DriftFreeSum.zeros(arena, Shape.of(features, features));
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
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
