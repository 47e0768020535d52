package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Philox;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Random words. */
@State(Scope.Benchmark)
public class PhiloxBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** How many words. */
  @Param("1000000")
  public long samples;

  private Arena arena;
  private Backend backend;
  private MemorySegment words;

  /** Takes the memory. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    words = arena.allocate(Long.BYTES * samples, Long.BYTES);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }

  /** This project's kernel. */
  @Benchmark
  public MemorySegment philox() {
    backend.perSample().philox(words, 1, 2, 3);
    return words;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    long words = Long.parseLong(parameter.apply("samples"));
    return new Cost(Philox.bytes(words), Philox.flops(words));
  }
}
