package io.nepenthe.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A batch normalisation that only a ReLU reads, or only an addition that only a ReLU reads: three
 * nodes that are one pass over memory where the statistics are frozen.
 *
 * @param norm the normalisation's node
 * @param branch which input of the addition it is; {@link #NONE} where there is no addition
 * @param relu the ReLU's node; an addition is the one before
 */
record NormalisedRelu(int norm, int branch, int relu) {
  static final int NONE = -1;

  /** Those of a network; no node is in two of them. */
  static List<NormalisedRelu> of(Network network) {
    int[] readers = new int[network.nodes().size()];
    network.nodes().forEach(node -> node.inputs().forEach(input -> readers[input]++));
    List<NormalisedRelu> all = new ArrayList<>();
    for (int i = 1; i < readers.length; i++) {
      if (network.nodes().get(i).layer() instanceof Layer.Relu) {
        endingAt(network, readers, i).ifPresent(all::add);
      }
    }
    return all;
  }

  private static Optional<NormalisedRelu> endingAt(Network network, int[] readers, int relu) {
    int before = relu - 1; // nodes between might write where the pass reads
    if (!network.nodes().get(relu).inputs().equals(List.of(before)) || readers[before] != 1) {
      return Optional.empty();
    }
    Network.Node node = network.nodes().get(before);
    if (node.layer() instanceof Layer.BatchNorm2d) {
      return Optional.of(new NormalisedRelu(before, NONE, relu));
    }
    for (int branch = 0; node.layer() instanceof Layer.Add && branch < 2; branch++) {
      int norm = node.inputs().get(branch);
      if (readers[norm] == 1 && network.nodes().get(norm).layer() instanceof Layer.BatchNorm2d) {
        return Optional.of(new NormalisedRelu(norm, branch, relu));
      }
    }
    return Optional.empty();
  }

  boolean adds() {
    return branch != NONE;
  }

  /** The addition's node. */
  int add() {
    return relu - 1;
  }

  /** Which input of the addition the residual is. */
  int other() {
    return 1 - branch;
  }
}
