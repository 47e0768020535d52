package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.SelfScores;
import io.nepenthe.kernel.SquareGradients;
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

/** Self scores of rotated operands. */
@State(Scope.Benchmark)
public class SelfScoresBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Inputs, outputs and positions of the operands. */
  @Param({
    "1025-1024-T1",
    "4608-512-T16",
    "401-120-T1",
    "769-2304-T64",
    "769-768-T64",
    "769-3072-T64",
    "3073-768-T64"
  })
  public String layer;

  /** Samples in the batch; 0 for 64. */
  @Param("0")
  public long samples;

  private Arena arena;
  private Backend backend;
  private Tensor input;
  private Tensor gradient;
  private Tensor weights;
  private Tensor scores;

  /** Fills the operands. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    SquareGradients.Size size = size(layer, samples);
    input = Values.normal(arena, Shape.of(size.samples(), size.positions(), size.columns()), 1);
    gradient = Values.normal(arena, Shape.of(size.samples(), size.positions(), size.outputs()), 2);
    weights = Values.normal(arena, Shape.of(size.outputs(), size.columns()), 3);
    scores = Tensor.zeros(arena, size.samples());
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** This project's kernel. */
  @Benchmark
  public Tensor selfScores() {
    backend.perSample().selfScores(input, gradient, weights, scores);
    return scores;
  }

  private static SquareGradients.Size size(String layer, long samples) {
    LayerSizes sizes = LayerSizes.of(layer, samples == 0 ? 64 : samples);
    return sizes.size();
  }

  static Cost cost(String method, Function<String, String> parameter) {
    SquareGradients.Size size =
        size(parameter.apply("layer"), Long.parseLong(parameter.apply("samples")));
    return new Cost(
        SelfScores.bytes(size), SelfScores.flops(size, SelfScores.strategyFor(size.positions())));
  }
}
