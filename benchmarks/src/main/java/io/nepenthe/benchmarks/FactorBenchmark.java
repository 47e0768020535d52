package io.nepenthe.benchmarks;

import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.lang.foreign.Arena;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The two stages of EK-FAC as a whole, their memory and plans included, with sampled labels. */
@State(Scope.Benchmark)
public class FactorBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /**
   * On 28×28×1 and on 32×32×3. The ResNet is a quarter as wide as the one of {@link PassBenchmark}:
   * the eigenvectors of that one's factors take minutes, which would be all that is seen; {@link
   * CovarianceBenchmark} and {@link SquareGradientsBenchmark} have its layers.
   */
  @Param({"lenet", "mlp", "resnet9-16"})
  public String network;

  /** Samples in the data set, 64 at once. */
  @Param("256")
  public int samples;

  private Arena arena;
  private Backend backend;
  private Model model;
  private PassData data;
  private KroneckerFactors factors;

  /** Draws weights and images. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    model = Passes.model(network);
    data = PassData.of(Passes.input(arena, model, samples), model);
    factors = covariance();
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    factors.close();
    model.close();
    backend.close();
    arena.close();
  }

  private KroneckerFactors covariance() {
    return KroneckerFactors.of(
        model, backend, data, data.normalisation(), FactorOptions.defaults(), Progress.NONE);
  }

  /** The first stage: the covariances of all layers. */
  @Benchmark
  public long covariancePass() {
    try (KroneckerFactors result = covariance()) {
      return result.samples();
    }
  }

  /** The second and the third: eigenvectors, and Λ in their basis. */
  @Benchmark
  public long lambdaPass() {
    try (EkFac result =
        EkFac.of(factors, model, backend, data, data.normalisation(), Progress.NONE)) {
      return result.samples();
    }
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
