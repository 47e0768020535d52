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

/** Per-sample gradients of a normalisation written out: two vectors a sample. */
@State(Scope.Benchmark)
public class SampleNormalisationGradientsBenchmark {
  private static final long POSITIONS = 1024;
  private static final long CHANNELS = 64;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Samples in the batch, of 1024 positions and 64 channels. */
  @Param("64")
  public long samples;

  private Arena arena;
  private Backend backend;
  private Tensor normalised;
  private Tensor gradient;
  private Tensor out;

  /** Fills inputs and gradients. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(samples, POSITIONS, CHANNELS);
    normalised = Values.normal(arena, shape, 1);
    gradient = Values.normal(arena, shape, 2);
    out = Tensor.zeros(arena, samples, 2, CHANNELS);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** This project's kernel. */
  @Benchmark
  public Tensor sampleNormalisationGradients() {
    backend.perSample().sampleNormalisationGradients(normalised, gradient, out);
    return out;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long samples = Long.parseLong(parameter.apply("samples"));
    long elements = samples * POSITIONS * CHANNELS;
    return new Cost(
        SampleGradients.normalisationBytes(elements, samples, CHANNELS),
        SampleGradients.normalisationFlops(elements));
  }
}
