package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import java.lang.foreign.Arena;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What the operations of curvature and influence are timed on: layers of known networks. */
@State(Scope.Benchmark)
public abstract class KnownLayers {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Which layer: of ResNet-18, an MLP, LeNet and GPT-2 small. */
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

  Arena arena;
  Backend backend;
  LayerSizes sizes;

  KnownLayers() {}

  /**
   * Opens what the benchmark's own preparation needs.
   *
   * @param samples of the batch; 0 for the layer's usual number
   */
  final void open(long samples) {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    sizes = LayerSizes.of(layer, samples);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    backend.close();
    arena.close();
  }
}
