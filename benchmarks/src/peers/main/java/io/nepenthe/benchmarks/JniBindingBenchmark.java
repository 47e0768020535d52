package io.nepenthe.benchmarks;

import java.util.function.Function;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.global.torch;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** {@link BindingBenchmark}'s calls through JNI, as JavaCPP writes it. */
@State(Scope.Benchmark)
public class JniBindingBenchmark {
  /** One: the calls are made by a single thread. */
  @Param("1")
  public int threads;

  private BytePointer source;
  private BytePointer target;

  /** Allocates what is copied. */
  @Setup
  public void prepare() {
    source = new BytePointer(BindingBenchmark.BYTES);
    target = new BytePointer(BindingBenchmark.BYTES);
  }

  /** Frees it. */
  @TearDown
  public void release() {
    source.close();
    target.close();
  }

  /** Nothing in, a number out. */
  @Benchmark
  public int jniNumber() {
    return torch.get_num_threads();
  }

  /** Two addresses and a size. */
  @Benchmark
  public Pointer jniAddresses() {
    return Pointer.memcpy(target, source, BindingBenchmark.BYTES);
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
