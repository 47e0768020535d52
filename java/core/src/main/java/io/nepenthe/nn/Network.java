package io.nepenthe.nn;

import io.nepenthe.data.ImageShape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A directed acyclic graph of layers, immutable. Node 0 is the input; every node comes after its
 * inputs; the last node is the output.
 */
public final class Network {
  private final List<Node> nodes;
  private final List<Extent> extents;

  /**
   * A layer and the nodes that feed it.
   *
   * @param inputs indices of earlier nodes
   */
  public record Node(Layer layer, List<Integer> inputs) {
    /** Keeps a copy of the list. */
    public Node {
      inputs = List.copyOf(inputs);
    }
  }

  /**
   * A network of these nodes.
   *
   * @throws IllegalArgumentException if node 0 is not the only input, an edge does not point back,
   *     a layer cannot take its inputs, a node other than the last feeds nothing, or two different
   *     layers have one name
   */
  public Network(List<Node> nodes) {
    this.nodes = List.copyOf(nodes);
    this.extents = List.copyOf(check(this.nodes));
  }

  /** Starts a network for samples of this size. */
  public static Builder builder(Extent input) {
    return new Builder(input);
  }

  /** The nodes, in an order in which they can be computed. */
  public List<Node> nodes() {
    return nodes;
  }

  /** The size of a sample at a node's output. */
  public Extent extent(int node) {
    return extents.get(node);
  }

  /** The size of an input sample. */
  public Extent input() {
    return extents.get(0);
  }

  /**
   * Whether images of a shape can be its input: a network of vectors takes all of as many values,
   * one of images only those of its own height, width and channels.
   */
  public boolean takes(ImageShape image) {
    Extent want = input();
    return want.isVector()
        ? want.channels() == image.floats()
        : want.equals(Extent.image(image.height(), image.width(), image.channels()));
  }

  /** The size of an output sample. */
  public Extent output() {
    return extents.get(extents.size() - 1);
  }

  /** The trainable tensors, in node order; those of tied layers once. */
  public List<ParameterSpec> parameters() {
    return Layer.specs(parametric(), false);
  }

  /** The tensors that are kept but not trained, in node order. */
  public List<ParameterSpec> buffers() {
    return Layer.specs(parametric(), true);
  }

  private List<Layer.Parametric> parametric() {
    List<Layer.Parametric> layers = new ArrayList<>();
    for (Node node : nodes) {
      if (node.layer() instanceof Layer.Parametric layer) {
        layers.add(layer);
      }
    }
    return layers;
  }

  /** The number of trainable values. */
  public long parameterCount() {
    return parameters().stream().mapToLong(spec -> spec.shape().elements()).sum();
  }

  private static List<Extent> check(List<Node> nodes) {
    if (nodes.size() < 2) {
      throw new IllegalArgumentException("a network needs an input and a layer");
    }
    List<Extent> extents = new ArrayList<>();
    boolean[] used = new boolean[nodes.size()];
    Map<String, Layer.Parametric> named = new HashMap<>();
    for (int i = 0; i < nodes.size(); i++) {
      Node node = nodes.get(i);
      if (node.layer() instanceof Layer.Input != (i == 0)) {
        throw new IllegalArgumentException("node 0, and no other, is the input; see node " + i);
      }
      List<Extent> inputs = new ArrayList<>();
      for (int input : node.inputs()) {
        if (input < 0 || input >= i) {
          throw new IllegalArgumentException(
              "node " + i + " takes node " + input + ", which does not come before it");
        }
        inputs.add(extents.get(input));
        used[input] = true;
      }
      if (i > 0 && inputs.isEmpty()) {
        throw new IllegalArgumentException("node " + i + " has no input");
      }
      if (node.layer() instanceof Layer.Parametric layer) {
        Layer.Parametric other = named.putIfAbsent(layer.name(), layer);
        if (other != null && !other.equals(layer)) {
          throw new IllegalArgumentException(
              "two layers are named " + layer.name() + " but differ: " + other + ", " + layer);
        }
      }
      try {
        extents.add(node.layer().output(inputs));
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException("node " + i + ": " + e.getMessage(), e);
      }
    }
    for (int i = 0; i < nodes.size() - 1; i++) {
      if (!used[i]) {
        throw new IllegalArgumentException("node " + i + " feeds nothing");
      }
    }
    return extents;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Network network && nodes.equals(network.nodes);
  }

  @Override
  public int hashCode() {
    return nodes.hashCode();
  }

  /** One node a line: index, layer, inputs, size. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < nodes.size(); i++) {
      Node node = nodes.get(i);
      text.append(i)
          .append(' ')
          .append(node.layer())
          .append(' ')
          .append(node.inputs())
          .append(" → ")
          .append(extents.get(i))
          .append('\n');
    }
    return text.toString();
  }

  /** Adds nodes one after the other. */
  public static final class Builder {
    private final List<Node> nodes = new ArrayList<>();

    private Builder(Extent input) {
      nodes.add(new Node(new Layer.Input(input), List.of()));
    }

    /** Adds a layer that takes the node added last. */
    public Builder then(Layer layer) {
      add(layer, last());
      return this;
    }

    /** Adds a layer that takes these nodes, and returns its index. */
    public int add(Layer layer, int... inputs) {
      List<Integer> from = new ArrayList<>();
      for (int input : inputs) {
        from.add(input);
      }
      nodes.add(new Node(layer, from));
      return last();
    }

    /** The index of the node added last; 0, the input, at first. */
    public int last() {
      return nodes.size() - 1;
    }

    /** The network; its output is the node added last. */
    public Network build() {
      return new Network(nodes);
    }
  }
}
