package io.nepenthe.benchmarks;

import io.nepenthe.nn.Model;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** {@link PassBenchmark}'s work done by libtorch. */
@State(Scope.Benchmark)
public class TorchPassBenchmark {
  /** How many threads libtorch may use. */
  @Param({"1", "2"})
  public int threads;

  /** As in {@link PassBenchmark}. */
  @Param({"lenet", "resnet9", "resnet18"})
  public String network;

  /** Samples in the batch. */
  @Param("64")
  public int samples;

  private TorchNetwork torchNetwork;
  private SGD optimiser;
  private Tensor input;
  private Tensor labels;
  private List<Tensor> importance;

  /** Copies the weights and the batch that {@link PassBenchmark} uses. */
  @Setup
  public void prepare() {
    torch.set_num_threads(threads);
    try (Arena arena = Arena.ofShared();
        Model model = Passes.model(network)) {
      torchNetwork = new TorchNetwork(model);
      input = TorchNetwork.input(Passes.input(arena, model, samples), model.network().input());
    }
    long[] classes = new long[samples];
    for (int n = 0; n < samples; n++) {
      classes[n] = Passes.label(n);
    }
    labels = torch.tensor(classes);
    importance = new ArrayList<>();
    for (long i = 0; i < torchNetwork.trained().size(); i++) {
      importance.add(torch.zeros_like(torchNetwork.trained().get(i)).set_requires_grad(false));
    }
    SGDOptions options = new SGDOptions(Passes.RATE);
    options.momentum().put(Passes.MOMENTUM);
    options.weight_decay().put(Passes.WEIGHT_DECAY);
    optimiser = new SGD(torchNetwork.trained(), options);
  }

  /** Frees the network. */
  @TearDown
  public void release() {
    torchNetwork.close();
  }

  /** Forward, loss, backward, and a step of SGD with momentum and weight decay. */
  @Benchmark
  public void trainingStep() {
    try (PointerScope _ = new PointerScope()) {
      pass(input, labels, true);
      optimiser.step();
    }
  }

  /** What the published SSD code computes: the batch's mean gradient, squared. */
  @Benchmark
  public void batchSquaredImportance() {
    try (PointerScope _ = new PointerScope()) {
      pass(input, labels, false);
      addSquares();
    }
  }

  /** The exact Fisher diagonal: one sample at a time. */
  @Benchmark
  public void sampleLoopFisher() {
    for (long n = 0; n < samples; n++) {
      try (PointerScope _ = new PointerScope()) {
        pass(input.narrow(0, n, 1), labels.narrow(0, n, 1), false);
        addSquares();
      }
    }
  }

  private void pass(Tensor batch, Tensor classes, boolean training) {
    optimiser.zero_grad();
    torch.cross_entropy_loss(torchNetwork.forward(batch, training), classes).backward();
  }

  private void addSquares() {
    for (int i = 0; i < importance.size(); i++) {
      importance.get(i).add_(torchNetwork.trained().get(i).grad().square());
    }
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
