package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Roof;
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

/** The machine's limits: part of every run, whatever the filter. */
@State(Scope.Benchmark)
public class RoofBenchmark {
  private static final long STEPS = 10_000_000;
  private static final long SMALL = 1 << 16;
  private static final long LARGE = 1 << 26;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** large: several times the last-level cache; small: only to see it run. */
  @Param("large")
  public String arrays;

  private Arena arena;
  private Tensor target;
  private Tensor first;
  private Tensor second;

  /** Allocates and fills the arrays. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    Shape shape = Shape.of(elements(arrays));
    target = Values.uniform(arena, shape, 1);
    first = Values.uniform(arena, shape, 2);
    second = Values.uniform(arena, shape, 3);
  }

  /** Frees the arrays. */
  @TearDown
  public void release() {
    arena.close();
  }

  /** Multiply-adds in registers. */
  @Benchmark
  public long multiplyAdd() {
    return Roof.multiplyAdd(STEPS, threads);
  }

  /** A read and a write an element. */
  @Benchmark
  public void copy() {
    Roof.copy(target, first, threads);
  }

  /** Two reads and a write an element: 3 × 4 bytes. */
  @Benchmark
  public void triad() {
    Roof.triad(target, first, second, 0.5f, threads);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long n = elements(parameter.apply("arrays"));
    return switch (method) {
      case "multiplyAdd" ->
          new Cost(0, STEPS * Roof.multiplyAdd(1, Integer.parseInt(parameter.apply("threads"))));
      case "copy" -> new Cost(Roof.copyBytes(n), 0);
      case "triad" -> new Cost(Roof.triadBytes(n), 2 * n);
      default -> throw new IllegalArgumentException(method);
    };
  }

  private static long elements(String arrays) {
    return switch (arrays) {
      case "small" -> SMALL;
      case "large" -> Math.max(LARGE, 4 * Machine.largestCache() / Float.BYTES);
      default -> throw new IllegalArgumentException(arrays);
    };
  }
}
