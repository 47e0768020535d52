package io.nepenthe.benchmarks;

import io.nepenthe.curvature.SquaredGradients;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Learner;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
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
 * Whole passes over one batch: a training step, and what exact per-sample Fisher information costs
 * beside the gradient that training needs.
 */
@State(Scope.Benchmark)
public class PassBenchmark {
  private static final CrossEntropy LOSS = new CrossEntropy();

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** LeNet on 28×28×1, or ResNet-9 or ResNet-18 of width 64 on 32×32×3. */
  @Param({"lenet", "resnet9", "resnet18"})
  public String network;

  /** Samples in the batch. */
  @Param("64")
  public int samples;

  private Arena arena;
  private Backend backend;
  private Model model;
  private Learner learner;
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
    model = Passes.model(network);
    input = Passes.input(arena, model, samples);
    labels = Passes.labels(samples);
    losses = new double[samples];
    learner =
        new Learner(
            model,
            backend,
            samples,
            Mode.TRAIN,
            Passes.sgd().start(model.parameters(), backend),
            new CrossEntropy());
    learner.execution().input(samples).copyFrom(input);
    training = new Execution(model, backend, samples, Mode.TRAIN);
    frozen = new Execution(model, backend, samples, Mode.FROZEN);
    gradient = new GradientAccumulator(model, backend);
    squares = new SquaredGradients(model, backend);
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    squares.close();
    gradient.close();
    frozen.close();
    training.close();
    learner.close();
    model.close();
    backend.close();
    arena.close();
  }

  /** Forward, loss, backward, and a step of SGD with momentum and weight decay. */
  @Benchmark
  public double trainingStep() {
    learner.step(samples, labels, 1);
    return learner.tally().loss();
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
    double loss = LOSS.evaluate(output, labels, losses, execution.outputGradient());
    execution.backward(execution.outputGradient(), visitor);
    return loss;
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
