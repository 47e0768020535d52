package io.nepenthe.benchmarks;

import io.nepenthe.kernel.PackedQueries;
import io.nepenthe.kernel.PairScores;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Dot products of queries with per-sample gradients. */
@State(Scope.Benchmark)
public class PairScoresBenchmark extends KnownLayers {
  /** How many queries. */
  @Param({"1", "51"})
  public long queries;

  /** Samples in the batch; 0 for the layer's usual number. */
  @Param("0")
  public long samples;

  private Tensor input;
  private Tensor gradient;
  private PackedQueries values;
  private Tensor scores;

  /** Fills inputs, gradients and queries. */
  @Setup
  public void prepare() {
    open(samples);
    input = Values.normal(arena, sizes.input(), 1);
    gradient = Values.normal(arena, sizes.output(), 2);
    // The same query again and again: a million random numbers more would be no other work.
    long weights = sizes.weights().elements();
    Tensor query = Values.normal(arena, Shape.of(weights), 3);
    long outputs = sizes.weights().size(0);
    Tensor all = Tensor.zeros(arena, queries, outputs, weights / outputs);
    for (long q = 0; q < queries; q++) {
      all.slice(q * weights, query.shape()).copyFrom(query);
    }
    values = backend.perSample().packQueries(arena, sizes.size().positions(), 1, all);
    scores = Tensor.zeros(arena, queries, sizes.samples());
  }

  /** This project's kernel. */
  @Benchmark
  public Tensor pairScores() {
    backend.perSample().pairScores(sizes.convolution(), input, gradient, false, values, scores);
    return scores;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    LayerSizes sizes =
        LayerSizes.of(parameter.apply("layer"), Long.parseLong(parameter.apply("samples")));
    long queries = Long.parseLong(parameter.apply("queries"));
    return new Cost(
        PairScores.bytes(sizes.size(), queries, sizes.input().elements()),
        PairScores.flops(sizes.size(), queries));
  }
}
