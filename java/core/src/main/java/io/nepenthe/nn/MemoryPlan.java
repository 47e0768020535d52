package io.nepenthe.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which block of memory each activation and gradient lies in, sized per sample. Gradients, and in
 * inference activations, share blocks once they are no longer needed. An operation works in place
 * only where nothing reads what it overwrites: neither another node, nor the producer's own
 * backward pass, nor a visitor.
 */
final class MemoryPlan {
  static final int NONE = -1;

  /** How the gradient reaches one input of a node. */
  record Edge(int block, int target, boolean wanted, boolean accumulates) {
    private static final Edge UNWANTED = new Edge(NONE, NONE, false, false);
  }

  private final Network network;
  private final Mode mode;
  private final List<Long> sizes = new ArrayList<>();
  private final List<Integer> free = new ArrayList<>();
  private final int[] consumers;
  private final int[] output;
  private final int[] normalised;
  private final int[] gradient;
  private final Edge[][] edges;
  private final int sampleGradients;

  MemoryPlan(Network network, Mode mode) {
    this.network = network;
    this.mode = mode;
    int count = network.nodes().size();
    consumers = new int[count];
    network.nodes().forEach(node -> node.inputs().forEach(input -> consumers[input]++));
    output = filled(count);
    normalised = filled(count);
    gradient = filled(count);
    edges = new Edge[count][];
    planForward();
    free.clear();
    if (mode.backward()) {
      planBackward();
    }
    sampleGradients = mode == Mode.FROZEN ? roomForSampleGradients() : NONE;
  }

  private static int[] filled(int count) {
    int[] none = new int[count];
    Arrays.fill(none, NONE);
    return none;
  }

  /** Floats per sample of every block. */
  List<Long> sizes() {
    return sizes;
  }

  /** The block of a node's output. */
  int output(int node) {
    return output[node];
  }

  /** The block of a batch normalisation's x̂, or {@link #NONE}. */
  int normalised(int node) {
    return normalised[node];
  }

  /** The block of the gradient with respect to a node's output, or {@link #NONE}. */
  int gradient(int node) {
    return gradient[node];
  }

  /** The block of a normalisation's samples' gradients, of scale and shift; or {@link #NONE}. */
  int sampleGradients() {
    return sampleGradients;
  }

  /**
   * Whether the nodes can be one pass forward, when the last of them is due: what it reads must
   * still be there.
   */
  boolean together(NormalisedRelu nodes) {
    if (mode.backward()) {
      return !nodes.pair() || togetherBackward(nodes.second());
    }
    return !nodes.adds() || (inPlace(nodes.norm()) && (!nodes.pair() || inPlace(nodes.second())));
  }

  private boolean inPlace(int norm) {
    return output[norm] == output[network.nodes().get(norm).inputs().get(0)];
  }

  /**
   * Whether they can be one pass backward as well: where the gradient of a normalisation's input
   * goes, that of its output was to lie until then.
   */
  boolean togetherBackward(NormalisedRelu nodes) {
    return togetherBackward(nodes.norm());
  }

  private boolean togetherBackward(int norm) {
    Edge edge = edges[norm][0];
    return edge.wanted() && edge.block() == gradient[norm] && !edge.accumulates();
  }

  /** How the gradient reaches an input of a node. */
  Edge edge(int node, int input) {
    return edges[node][input];
  }

  private void planForward() {
    int count = network.nodes().size();
    // How many nodes still read a block; the input and the output are kept.
    int[] readers = new int[2 * count];
    for (int i = 0; i < count; i++) {
      Network.Node node = network.nodes().get(i);
      long size = network.extent(i).elements();
      boolean keeps = node.layer() instanceof Layer.BatchNorm2d && mode.backward();
      if (node.layer() instanceof Layer.Flatten) {
        output[i] = output[node.inputs().get(0)];
      } else if (keeps) {
        normalised[i] = overwrites(node) ? output[node.inputs().get(0)] : take(size);
        output[i] = take(size);
      } else if (worksInPlace(node.layer()) && overwrites(node)) {
        output[i] = output[node.inputs().get(0)];
      } else {
        output[i] = take(size);
      }
      readers[output[i]] += consumers[i] + (i == 0 || i == count - 1 ? 1 : 0);
      for (int input : node.inputs()) {
        readers[output[input]]--;
        if (readers[output[input]] == 0 && !mode.backward()) {
          free.add(output[input]);
        }
      }
    }
  }

  private static boolean worksInPlace(Layer layer) {
    return switch (layer) {
      case Layer.Relu _, Layer.Celu _, Layer.Dropout _, Layer.Add _, Layer.BatchNorm2d _ -> true;
      default -> false;
    };
  }

  /** Whether the node may overwrite its first input. */
  private boolean overwrites(Network.Node node) {
    int first = node.inputs().get(0);
    Layer producer = network.nodes().get(first).layer();
    return consumers[first] == 1
        && switch (producer) {
          case Layer.Input _, Layer.Flatten _ -> false;
          // Their backward pass reads their output.
          case Layer.Relu _, Layer.Celu _, Layer.MaxPool _ -> !mode.backward();
          default -> true;
        };
  }

  private void planBackward() {
    int count = network.nodes().size();
    boolean[] wanted = new boolean[count];
    for (int i = 0; i < count; i++) {
      Network.Node node = network.nodes().get(i);
      wanted[i] =
          node.layer() instanceof Layer.Parametric
              || node.inputs().stream().anyMatch(input -> wanted[input]);
    }
    gradient[count - 1] = take(network.extent(count - 1).elements());
    for (int i = count - 1; i > 0; i--) {
      Network.Node node = network.nodes().get(i);
      edges[i] = new Edge[node.inputs().size()];
      boolean handedOn = false;
      List<Integer> temporary = new ArrayList<>();
      for (int e = 0; e < edges[i].length; e++) {
        int input = node.inputs().get(e);
        if (!wanted[input]) {
          edges[i][e] = Edge.UNWANTED;
        } else if (gradient[input] == NONE && e == 0 && passesOn(node.layer())) {
          gradient[input] = gradient[i];
          handedOn = true;
          edges[i][e] = new Edge(gradient[i], gradient[i], true, false);
        } else if (gradient[input] == NONE) {
          gradient[input] = take(network.extent(input).elements());
          edges[i][e] = new Edge(gradient[input], gradient[input], true, false);
        } else if (addsItself(node.layer())) {
          edges[i][e] = new Edge(gradient[input], gradient[input], true, true);
        } else {
          int block = take(network.extent(input).elements());
          temporary.add(block);
          edges[i][e] = new Edge(block, gradient[input], true, true);
        }
      }
      free.addAll(temporary);
      if (!handedOn && gradient[i] != NONE) {
        free.add(gradient[i]);
      }
    }
  }

  private int roomForSampleGradients() {
    long channels =
        NormalisedRelu.of(network).stream()
            .filter(this::togetherBackward)
            .mapToLong(nodes -> network.extent(nodes.norm()).channels())
            .max()
            .orElse(0);
    if (channels == 0) {
      return NONE;
    }
    sizes.add(NormalisedReluStep.SAMPLE_GRADIENTS * channels);
    return sizes.size() - 1;
  }

  /** Whether dx may take dy's place. */
  private static boolean passesOn(Layer layer) {
    return worksInPlace(layer) || layer instanceof Layer.Flatten;
  }

  /** Whether its input's gradient is added to what is there as it is made. */
  private static boolean addsItself(Layer layer) {
    return layer instanceof Layer.Linear || layer instanceof Layer.Conv2d;
  }

  /** The smallest free block that is large enough, else a new one. */
  private int take(long size) {
    int best = NONE;
    for (int block : free) {
      if (sizes.get(block) >= size && (best == NONE || sizes.get(block) < sizes.get(best))) {
        best = block;
      }
    }
    if (best != NONE) {
      free.remove(Integer.valueOf(best));
      return best;
    }
    sizes.add(size);
    return sizes.size() - 1;
  }
}
