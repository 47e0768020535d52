package io.nepenthe.benchmarks;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.unlearn.FixedSsd;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Listener;
import io.nepenthe.unlearn.Saliency;
import io.nepenthe.unlearn.Ssd;
import io.nepenthe.unlearn.Trace;
import java.lang.foreign.Arena;
import java.util.Optional;
import java.util.function.Function;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Whole jobs: selective synaptic dampening, and SalUn's masks; memory and plans included. */
@State(Scope.Benchmark)
public class UnlearnBenchmark {
  /** Squares of every sample's own gradient, α = 10, λ = 1. */
  private static final FixedSsd SSD =
      new FixedSsd(FisherDiagonal.Options.defaults(), Ssd.Options.published());

  private static final double[] RATIOS = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};

  /** How many threads share the work. */
  @Param({"1", "2"})
  public int threads;

  /** As in {@link PassBenchmark}. */
  @Param({"lenet", "resnet9"})
  public String network;

  /** Samples in the data set; an eighth of them, but at least one, is to be forgotten. */
  @Param("128")
  public int samples;

  private Arena arena;
  private Backend backend;
  private Model model;
  private Tensor before;
  private Forgetting task;

  /** Draws weights and images. */
  @Setup
  public void prepare() {
    arena = Arena.ofShared();
    backend = Device.cpu(threads).open();
    model = Passes.model(network);
    before = Tensor.zeros(arena, model.parameters().flat().shape());
    before.copyFrom(model.parameters().flat());
    PassData data = PassData.of(Passes.input(arena, model, samples), model);
    int forget = Math.max(1, samples / 8);
    task =
        new Forgetting(
            Subset.range(data, forget, samples - 1),
            Subset.range(data, 0, forget - 1),
            Optional.empty(),
            data.normalisation(),
            new Trainer(1, samples, Passes.sgd(), 1));
  }

  /** Frees the memory. */
  @TearDown
  public void release() {
    model.close();
    backend.close();
    arena.close();
  }

  /** Both importances, per sample, and the dampening, on the same weights every time. */
  @Benchmark
  public Trace ssd() {
    model.parameters().flat().copyFrom(before);
    return SSD.forget(model, backend, task, 1, Listener.NONE);
  }

  /** The gradient of the forget set and ten masks of its largest entries. */
  @Benchmark
  public long salunMasks() {
    try (Arena masks = Arena.ofConfined();
        Saliency saliency =
            Saliency.of(
                model,
                backend,
                task.forget(),
                task.normalisation(),
                new CrossEntropy(),
                Progress.NONE)) {
      MaskStack stack = saliency.masks(masks, RATIOS);
      return stack.count();
    }
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
