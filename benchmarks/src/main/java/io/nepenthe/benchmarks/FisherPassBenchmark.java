package io.nepenthe.benchmarks;

import io.nepenthe.curvature.SquaredGradients;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
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
 * What exact per-sample Fisher information costs beside training: a forward and backward pass over
 * one batch that adds every sample's squared gradient, and one that adds the batch's gradient.
 */
@State(Scope.Benchmark)
public class FisherPassBenchmark {
  private static final int CLASSES = 10;

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** LeNet on 28×28×1, or ResNet-9 of width 64 on 32×32×3. */
  @Param({"lenet", "resnet9"})
  public String network;

  /** Samples in the batch. */
  @Param("64")
  public int samples;

  private Arena arena;
  private Backend backend;
  private Model model;
  private Execution training;
  private Execution frozen;
  private GradientAccumulator gradient;
  private SquaredGradients squares;
  private Tensor input;
  private int[] labels;
  private double[] losses;

  /** Draws weights and a batch. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    Network layers =
        network.equals("lenet")
            ? Architectures.lenet(Extent.image(28, 28, 1), CLASSES)
            : Architectures.resnet9(Extent.image(32, 32, 3), CLASSES, 64);
    model = Model.initialise(layers, 1);
    training = new Execution(model, backend, samples, Mode.TRAIN);
    frozen = new Execution(model, backend, samples, Mode.FROZEN);
    gradient = new GradientAccumulator(model, backend);
    squares = new SquaredGradients(model, backend);
    input = Values.normal(arena, layers.input().batch(samples), 2);
    labels = new int[samples];
    losses = new double[samples];
    for (int n = 0; n < samples; n++) {
      labels[n] = n % CLASSES;
    }
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    squares.close();
    gradient.close();
    frozen.close();
    training.close();
    model.close();
    backend.close();
    arena.close();
  }

  /** Forward, loss, backward and weight gradients, with batch statistics; no optimiser step. */
  @Benchmark
  public double trainingPass() {
    gradient.clear();
    return pass(training, gradient);
  }

  /** Forward, loss, backward and squared sample gradients. */
  @Benchmark
  public double fisherPass() {
    return pass(frozen, squares);
  }

  private double pass(Execution execution, LayerVisitor visitor) {
    Tensor output = execution.forward(input);
    double loss = new CrossEntropy().evaluate(output, labels, losses, execution.outputGradient());
    execution.backward(execution.outputGradient(), visitor);
    return loss;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
