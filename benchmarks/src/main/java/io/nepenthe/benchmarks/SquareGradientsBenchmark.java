package io.nepenthe.benchmarks;

import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.SquareGradients;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Squared per-sample weight gradients of the layers of LeNet, ResNet-18, an MLP and GPT-2 small,
 * beside oneDNN's forward product and weight gradient of the same layer.
 */
@State(Scope.Benchmark)
public class SquareGradientsBenchmark {
  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** Which layer. */
  @Param({
    "64-64-3x3-32",
    "512-512-3x3-4",
    "1024-1024",
    "3-64-3x3-32",
    "128-128-3x3-16",
    "256-256-3x3-8",
    "1-6-5x5-28",
    "6-16-5x5-14",
    "768-2304-T64",
    "768-768-T64",
    "768-3072-T64",
    "3072-768-T64",
    "768-3072-T512"
  })
  public String layer;

  /** Samples in the batch; 0 for the layer's usual number. */
  @Param("0")
  public long samples;

  private Arena arena;
  private Backend backend;
  private LayerSizes sizes;
  private Tensor input;
  private Tensor gradient;
  private DriftFreeSum squares;
  private AffinePlan plan;
  private Tensor flatInput;
  private Tensor flatGradient;
  private Tensor weights;
  private Tensor output;
  private Tensor none;

  /** Fills inputs and gradients, and plans the peer. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    sizes = LayerSizes.of(layer, samples);
    input = Values.normal(arena, sizes.input(), 1);
    gradient = Values.normal(arena, sizes.output(), 2);
    squares = DriftFreeSum.zeros(arena, sizes.weights());
    plan = backend.dense().plan(sizes.affine());
    flatInput = input.reshape(sizes.affine().input());
    flatGradient = gradient.reshape(sizes.affine().output());
    weights = Values.normal(arena, sizes.affine().weights(), 3);
    output = Tensor.zeros(arena, sizes.affine().output());
    none = Tensor.zeros(arena, 0);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    plan.close();
    backend.close();
    arena.close();
  }

  /** This project's kernel. */
  @Benchmark
  public long squareGradients() {
    backend.squareGradients(sizes.convolution(), input, gradient, squares);
    return squares.count();
  }

  /** oneDNN's forward product: the same multiply-adds, without the square. */
  @Benchmark
  public Tensor forwardPeer() {
    plan.forward(flatInput, weights, none, output);
    return output;
  }

  /** oneDNN's gradient of the batch's summed loss, which per-sample squares replace. */
  @Benchmark
  public Tensor weightGradientPeer() {
    plan.parameterGradient(flatInput, flatGradient, weights, none, false);
    return weights;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    LayerSizes sizes =
        LayerSizes.of(parameter.apply("layer"), Long.parseLong(parameter.apply("samples")));
    SquareGradients.Size size = sizes.size();
    long inputs = sizes.input().elements();
    if (!method.equals("squareGradients")) {
      long floats = inputs + sizes.output().elements() + sizes.weights().elements();
      return new Cost(Float.BYTES * floats, sizes.affine().flops());
    }
    return new Cost(
        SquareGradients.bytes(size, inputs),
        SquareGradients.flops(size, SquareGradients.strategyFor(sizes.positions())));
  }
}
