package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.kernel.SelectTop;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Ten masks of all weights at once, and what sorting the same values costs on the same threads. */
@State(Scope.Benchmark)
public class SelectTopBenchmark {
  private static final double[] RATIOS = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  private Arena arena;
  private Backend backend;
  private List<Tensor> values;
  private MaskStack masks;
  private ForkJoinPool pool;
  private float[] magnitudes;
  private float[] sorted;

  /** Fills the values. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Shape shape = Shape.of(weights);
    values = List.of(Values.normal(arena, shape, 1));
    masks = MaskStack.zeros(arena, RATIOS.length, List.of(shape));
    magnitudes = values.getFirst().toArray();
    for (int i = 0; i < magnitudes.length; i++) {
      magnitudes[i] = Math.abs(magnitudes[i]);
    }
    sorted = new float[magnitudes.length];
    // Sorting asks the common pool how many parts to make, and runs them in the caller's pool.
    System.setProperty("java.util.concurrent.ForkJoinPool.common.parallelism", "" + threads);
    if (ForkJoinPool.getCommonPoolParallelism() != threads && !Run.isQuick()) {
      throw new IllegalStateException("the common pool started before the benchmark");
    }
    pool = new ForkJoinPool(threads);
  }

  /** Frees memory and threads. */
  @TearDown
  public void release() {
    pool.close();
    backend.close();
    arena.close();
  }

  /** All ten cuts. */
  @Benchmark
  public List<SelectTop.Cut> selectTop() {
    return backend.selectTop(values, masks, RATIOS);
  }

  /** The peer: the magnitudes copied, then sorted; it has written no mask yet. */
  @Benchmark
  public float[] parallelSort() {
    System.arraycopy(magnitudes, 0, sorted, 0, magnitudes.length);
    pool.submit(() -> Arrays.parallelSort(sorted)).join();
    return sorted;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    if (method.equals("parallelSort")) {
      return Cost.UNKNOWN;
    }
    long n = Long.parseLong(parameter.apply("weights"));
    return new Cost(SelectTop.bytes(n, RATIOS.length), SelectTop.flops(n, RATIOS.length));
  }
}
