package io.nepenthe.benchmarks;

import java.util.List;

/**
 * Which benchmark is compared with which.
 *
 * @param ours ours
 * @param theirs what it is compared with
 * @param says what the ratio means
 */
record Peers(String ours, String theirs, String says) {
  /** All comparisons, in the order of the page. */
  static final List<Peers> ALL =
      List.of(
          new Peers(
              "PassBenchmark.trainingStep",
              "TorchPassBenchmark.trainingStep",
              "training step, beside libtorch's"),
          new Peers(
              "PassBenchmark.fisherPass",
              "PassBenchmark.trainingPass",
              "exact per-sample Fisher, beside our own forward and backward pass"),
          new Peers(
              "PassBenchmark.fisherPass",
              "TorchPassBenchmark.sampleLoopFisher",
              "exact per-sample Fisher, beside libtorch one sample at a time"),
          new Peers(
              "PassBenchmark.fisherPass",
              "TorchPassBenchmark.batchSquaredImportance",
              "exact per-sample Fisher, beside libtorch's squared batch gradient (not the same"
                  + " quantity: an approximation)"),
          new Peers(
              "PassBenchmark.trainingStep",
              "PyTorchPassBenchmark.trainingStep",
              "training step, beside PyTorch's"),
          new Peers(
              "PassBenchmark.fisherPass",
              "PyTorchPassBenchmark.sampleLoopFisher",
              "exact per-sample Fisher, beside PyTorch one sample at a time"),
          new Peers(
              "PassBenchmark.fisherPass",
              "PyTorchPassBenchmark.vmapFisher",
              "exact per-sample Fisher, beside PyTorch's vectorised sample gradients"),
          new Peers(
              "PassBenchmark.fisherPass",
              "PyTorchPassBenchmark.batchSquaredImportance",
              "exact per-sample Fisher, beside PyTorch's squared batch gradient (not the same quantity:"
                  + " an approximation)"),
          new Peers(
              "SquareGradientsBenchmark.squareGradients",
              "SquareGradientsBenchmark.forwardPeer",
              "squared sample gradients, beside oneDNN's forward product of the same layer"),
          new Peers(
              "DampenBenchmark.dampen",
              "TorchSweepBenchmark.dampen",
              "dampening, beside the published code's expressions in libtorch"),
          new Peers(
              "SelectTopBenchmark.selectTop",
              "TorchSweepBenchmark.selectOneRatio",
              "ten masks, beside one mask by the published code's two argsorts in libtorch"),
          new Peers(
              "DampenBenchmark.dampen",
              "PyTorchSweepBenchmark.dampen",
              "dampening, beside the published code's expressions in PyTorch"),
          new Peers(
              "SelectTopBenchmark.selectTop",
              "PyTorchSweepBenchmark.selectOneRatio",
              "ten masks, beside one mask by the published code's two argsorts in PyTorch"),
          new Peers(
              "SelectTopBenchmark.selectTop",
              "SelectTopBenchmark.parallelSort",
              "ten masks, beside the JDK's parallel sort of the same values"),
          new Peers(
              "BindingBenchmark.foreignNumber",
              "BindingBenchmark.javaNumber",
              "a foreign call with a number, beside plain Java"),
          new Peers(
              "BindingBenchmark.foreignAddresses",
              "BindingBenchmark.javaAddresses",
              "a foreign call that copies eight bytes, beside plain Java"),
          new Peers(
              "BindingBenchmark.foreignNumber",
              "JniBindingBenchmark.jniNumber",
              "a foreign call with a number, beside JNI through JavaCPP"),
          new Peers(
              "BindingBenchmark.foreignAddresses",
              "JniBindingBenchmark.jniAddresses",
              "a foreign call that copies eight bytes, beside JNI through JavaCPP"));

  /** Whether two rows are of the same setting: parameters that both have are equal. */
  boolean match(Report.Row our, Report.Row their) {
    return our.benchmark().equals(ours)
        && their.benchmark().equals(theirs)
        && our.parameters().entrySet().stream()
            .allMatch(
                entry ->
                    their
                        .parameters()
                        .getOrDefault(entry.getKey(), entry.getValue())
                        .equals(entry.getValue()));
  }
}
