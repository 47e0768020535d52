package io.nepenthe.onnx;

import io.nepenthe.nn.Layer;
import io.nepenthe.onnx.GraphIndex.Located;
import io.nepenthe.onnx.NetworkCollector.Source;
import io.nepenthe.onnx.NetworkCollector.Value;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.tensor.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Turns Conv, Gemm and MatMul into layers, with the bias that a following Add brings. */
final class AffineReader {
  private final GraphIndex index;
  private final NetworkCollector network;
  private final NodeInputs inputs;
  private final Set<NodeProto> biases = Collections.newSetFromMap(new IdentityHashMap<>());

  AffineReader(GraphIndex index, NetworkCollector network, NodeInputs inputs) {
    this.index = index;
    this.network = network;
    this.inputs = inputs;
  }

  /** Whether a node adds the bias of a layer that was read before. */
  boolean isBias(NodeProto node) {
    return biases.contains(node);
  }

  Value conv(Located at, Attributes attributes) {
    attributes.allow("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides");
    Value x = inputs.first(at, 2, 3).get(0);
    Constant weights = inputs.weights(at, 1, 4);
    Shape w = weights.shape();
    if (x.extent().isVector() || w.size(2) > 1 << 20 || w.size(3) > 1 << 20) {
      throw new OnnxException(
          at.where(), "images and a kernel", x.extent() + " and weights of shape " + w);
    }
    int groups = attributes.integer("group", 1, 1, Integer.MAX_VALUE);
    long channels = w.size(1) * groups;
    int[] kernel = {(int) w.size(2), (int) w.size(3)};
    List<Source> sources = new ArrayList<>(List.of(source(at, 1, weights)));
    if (NodeInputs.hasInput(at, 2)) {
      sources.add(
          source(at, 2, NodeInputs.requireCount(at, 2, inputs.weights(at, 2, 1), w.size(0))));
    } else {
      bias(at, w.size(0), true).ifPresent(sources::add);
    }
    return network.parametric(
        at.where(),
        at.node().getName(),
        name ->
            new Layer.Conv2d(
                name,
                channels,
                w.size(0),
                WindowReader.read(at.where(), attributes, Optional.of(kernel), x.extent()),
                groups,
                sources.size() > 1),
        sources,
        x);
  }

  Value gemm(Located at, Attributes attributes) {
    attributes.allow("alpha", "beta", "transA", "transB");
    NodeInputs.requireInputs(at, 2, 3);
    Value x = inputs.vector(at);
    attributes.integer("transA", 0, 0, 0);
    boolean inputsFirst = attributes.integer("transB", 0, 0, 1) == 0;
    float alpha = attributes.real("alpha", 1);
    float beta = attributes.real("beta", 1);
    Constant weights = inputs.weights(at, 1, 2);
    List<Source> sources = new ArrayList<>();
    sources.add(new Source(weights, at.node().getInput(1), alpha, inputsFirst, Optional.empty()));
    long outputs = weights.shape().size(inputsFirst ? 1 : 0);
    if (NodeInputs.hasInput(at, 2) && beta != 0) {
      sources.add(
          added(at, at.node().getInput(2), outputs, false, beta)
              .orElseThrow(
                  () ->
                      new OnnxException(
                          at.where(),
                          "a constant bias of " + outputs + " values",
                          OnnxException.quote(at.node().getInput(2)))));
    }
    return linear(at, weights, inputsFirst, sources, x);
  }

  Value matMul(Located at, Attributes attributes) {
    attributes.allow();
    NodeInputs.requireInputs(at, 2, 2);
    Value x = inputs.vector(at);
    Constant weights = inputs.weights(at, 1, 2);
    List<Source> sources = new ArrayList<>();
    sources.add(new Source(weights, at.node().getInput(1), 1, true, Optional.empty()));
    bias(at, weights.shape().size(1), false).ifPresent(sources::add);
    return linear(at, weights, true, sources, x);
  }

  private Value linear(
      Located at, Constant weights, boolean inputsFirst, List<Source> sources, Value x) {
    long features = weights.shape().size(inputsFirst ? 0 : 1);
    long outputs = weights.shape().size(inputsFirst ? 1 : 0);
    return network.parametric(
        at.where(),
        at.node().getName(),
        name -> new Layer.Linear(name, features, outputs, sources.size() > 1),
        sources,
        x);
  }

  /** The bias that the only node after this one adds; that node is then done. */
  private Optional<Source> bias(Located at, long outputs, boolean image) {
    Optional<Located> next =
        index
            .onlyTaker(at.node().getOutput(0))
            .filter(taker -> GraphIndex.operator(taker.node()).equals("Add"))
            .filter(taker -> taker.node().getInputCount() == 2);
    if (next.isEmpty()) {
      return Optional.empty();
    }
    NodeProto node = next.get().node();
    String other = node.getInput(node.getInput(0).equals(at.node().getOutput(0)) ? 1 : 0);
    Optional<Source> source = added(next.get(), other, outputs, image, 1);
    source.ifPresent(_ -> biases.add(node));
    return source;
  }

  /** A constant that adds one number to each output. */
  private Optional<Source> added(
      Located at, String name, long outputs, boolean image, float scale) {
    if (!index.isConstant(name)) {
      return Optional.empty();
    }
    Constant constant = index.constant(name).requireReal();
    Shape shape = constant.shape();
    int axis = shape.rank() - (image ? 3 : 1);
    boolean all = constant.elements() == outputs && axis >= 0 && shape.size(axis) == outputs;
    boolean fits = shape.rank() <= (image ? 4 : 2) && (all || constant.elements() == 1);
    if (!fits) {
      return Optional.empty();
    }
    boolean kept = !image && all && shape.rank() > 1;
    if (!kept && !shape.equals(Shape.of(outputs))) {
      network.note(
          OnnxException.quote(constant.name())
              + " of shape "
              + shape
              + " is a bias of shape ["
              + outputs
              + "] from here on");
    }
    return Optional.of(
        new Source(constant, name, scale, false, kept ? Optional.of(shape) : Optional.empty()));
  }

  static Source source(Located at, int input, Constant constant) {
    return new Source(constant, at.node().getInput(input), 1, false, Optional.empty());
  }
}
