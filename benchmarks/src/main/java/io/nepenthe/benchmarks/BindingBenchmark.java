package io.nepenthe.benchmarks;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What a call costs that does next to nothing: bound as the kernels are, by the foreign function
 * interface with a constant handle and no critical linking, and in plain Java.
 */
@State(Scope.Benchmark)
public class BindingBenchmark {
  /** What a call with addresses copies. */
  static final long BYTES = 8;

  private static final MethodHandle ABS =
      bind("labs", FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
  private static final MethodHandle MEMCPY =
      bind(
          "memcpy",
          FunctionDescriptor.ofVoid(
              ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));

  /** One: the calls are made by a single thread. */
  @Param("1")
  public int threads;

  private Arena arena;
  private MemorySegment source;
  private MemorySegment target;
  private long value;

  @SuppressWarnings("restricted")
  private static MethodHandle bind(String name, FunctionDescriptor descriptor) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().find(name).orElseThrow(), descriptor);
  }

  /** Allocates what is copied. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    source = arena.allocate(BYTES);
    target = arena.allocate(BYTES);
    value = -1;
  }

  /** Frees it. */
  @TearDown
  public void release() {
    arena.close();
  }

  /** A number in, a number out. */
  @Benchmark
  public long foreignNumber() throws Throwable {
    return (long) ABS.invokeExact(value);
  }

  /** The same in Java. */
  @Benchmark
  public long javaNumber() {
    return Math.abs(value);
  }

  /** Two addresses of an arena and a size. */
  @Benchmark
  public void foreignAddresses() throws Throwable {
    MEMCPY.invokeExact(target, source, BYTES);
  }

  /** The same in Java. */
  @Benchmark
  public void javaAddresses() {
    MemorySegment.copy(source, 0, target, 0, BYTES);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
