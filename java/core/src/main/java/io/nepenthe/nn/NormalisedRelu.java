package io.nepenthe.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A batch normalisation that only a ReLU reads, or only an addition that only a ReLU reads: three
 * nodes, or four where such a normalisation is the addition's other input, too, that are one pass
 * over memory where the statistics are frozen.
 *
 * @param norm the normalisation's node
 * @param branch which input of the addition it is; {@link #NONE} where there is no addition
 * @param relu the ReLU's node; an addition is the one before
 * @param second the node of the other input's normalisation, a shortcut's; {@link #NONE} where
 *     there is none, or it passes on its own
 */
record NormalisedRelu(int norm, int branch, int relu, int second) {
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
      return Optional.of(new NormalisedRelu(before, NONE, relu, NONE));
    }
    for (int branch = 0; node.layer() instanceof Layer.Add && branch < 2; branch++) {
      int norm = node.inputs().get(branch);
      if (readAlone(network, readers, norm)) {
        int other = node.inputs().get(1 - branch);
        int second = readAlone(network, readers, other) ? other : NONE;
        return Optional.of(new NormalisedRelu(norm, branch, relu, second));
      }
    }
    return Optional.empty();
  }

  private static boolean readAlone(Network network, int[] readers, int node) {
    return readers[node] == 1 && network.nodes().get(node).layer() instanceof Layer.BatchNorm2d;
  }

  /** The same without the other input's normalisation. */
  NormalisedRelu withoutSecond() {
    return new NormalisedRelu(norm, branch, relu, NONE);
  }

  /** Whether both inputs of the addition are normalised here. */
  boolean pair() {
    return second != NONE;
  }

  /** The first of the nodes. */
  int first() {
    return pair() ? Math.min(norm, second) : norm;
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
