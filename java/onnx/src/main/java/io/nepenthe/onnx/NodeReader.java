package io.nepenthe.onnx;

import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Layer;
import io.nepenthe.onnx.GraphIndex.Located;
import io.nepenthe.onnx.NetworkCollector.Source;
import io.nepenthe.onnx.NetworkCollector.Value;
import io.nepenthe.onnx.schema.NodeProto;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** Turns the nodes of a graph into layers, one after the other. */
final class NodeReader {
  private static final String OPERATORS =
      "Add, AveragePool, BatchNormalization, Celu, Constant, Conv, Dropout, Flatten, Gemm,"
          + " GlobalAveragePool, Identity, LogSoftmax, MatMul, MaxPool, Pad, Relu, Reshape, Softmax"
          + " or Transpose";

  private final GraphIndex index;
  private final NetworkCollector network;
  private final int opset;
  private final long batch;
  private final NodeInputs inputs;
  private final AffineReader affine;

  /**
   * Reads into {@code network}.
   *
   * @param batch the batch size that the file is made for, 0 if open
   */
  NodeReader(GraphIndex index, NetworkCollector network, NodeInputs inputs, int opset, long batch) {
    this.index = index;
    this.network = network;
    this.inputs = inputs;
    this.affine = new AffineReader(index, network, inputs);
    this.opset = opset;
    this.batch = batch;
  }

  void read(Located at) {
    NodeProto node = at.node();
    if (affine.isBias(node)) {
      return;
    }
    Attributes attributes = new Attributes(at.where(), node);
    Value value =
        switch (GraphIndex.operator(node)) {
          case "Conv" -> affine.conv(at, attributes);
          case "Gemm" -> affine.gemm(at, attributes);
          case "MatMul" -> affine.matMul(at, attributes);
          case "BatchNormalization" -> batchNorm(at, attributes);
          case "Relu" -> plain(at, attributes, Layer.Relu::new);
          case "Celu" -> {
            attributes.allow("alpha");
            float alpha = attributes.real("alpha", 1);
            yield network.add(at.where(), () -> new Layer.Celu(alpha), inputs.first(at, 1, 1));
          }
          case "MaxPool" -> pool(at, attributes, true);
          case "AveragePool" -> pool(at, attributes, false);
          case "Pad" -> pad(at, attributes);
          case "GlobalAveragePool" -> plain(at, attributes, Layer.GlobalAveragePool::new);
          case "Add" -> add(at, attributes);
          case "Flatten" -> flatten(at, attributes);
          case "Reshape" -> reshape(at, attributes);
          case "Transpose" -> transpose(at, attributes);
          case "Identity" -> {
            attributes.allow();
            NodeInputs.requireInputs(at, 1, 1);
            yield inputs.get(at.where(), node.getInput(0));
          }
          case "Dropout" -> dropout(at, attributes);
          case "Softmax" -> softmax(at, attributes, Ending.SOFTMAX);
          case "LogSoftmax" -> softmax(at, attributes, Ending.LOG_SOFTMAX);
          default ->
              throw new OnnxException(
                  at.where(), OPERATORS, "the unsupported operator " + GraphIndex.operator(node));
        };
    if (node.getOutputCount() < 1 || node.getOutput(0).isEmpty()) {
      throw new OnnxException(at.where(), "a first output", "none");
    }
    inputs.put(node.getOutput(0), value);
    index
        .onlyTaker(node.getOutput(0))
        .filter(taker -> affine.isBias(taker.node()))
        .ifPresent(taker -> inputs.put(taker.node().getOutput(0), value));
  }

  private Value plain(Located at, Attributes attributes, Supplier<Layer> layer) {
    attributes.allow();
    return network.add(at.where(), layer, inputs.first(at, 1, 1));
  }

  private Value batchNorm(Located at, Attributes attributes) {
    attributes.allow("epsilon", "momentum", "spatial", "training_mode");
    Value x = inputs.first(at, 5, 5).get(0);
    attributes.integer("spatial", 1, 1, 1);
    attributes.integer("training_mode", 0, 0, 0);
    if (at.node().getOutputCount() > 1) {
      throw new OnnxException(
          at.where(), "the inference form, with one output", at.node().getOutputCount() + "");
    }
    List<Source> sources = new ArrayList<>();
    for (int i = 1; i < 5; i++) {
      sources.add(
          AffineReader.source(
              at,
              i,
              NodeInputs.requireCount(at, i, inputs.weights(at, i, 1), x.extent().channels())));
    }
    float epsilon = attributes.real("epsilon", 1e-5f);
    float momentum = GraphWriter.complement(attributes.real("momentum", 0.9f));
    return network.parametric(
        at.where(),
        at.node().getName(),
        name -> new Layer.BatchNorm2d(name, x.extent().channels(), epsilon, momentum),
        sources,
        x);
  }

  private Value pool(Located at, Attributes attributes, boolean max) {
    attributes.allow(
        "auto_pad",
        "ceil_mode",
        max ? "storage_order" : "count_include_pad",
        "dilations",
        "kernel_shape",
        "pads",
        "strides");
    Value x = inputs.first(at, 1, 1).get(0);
    boolean paddingCounts = !max && attributes.integer("count_include_pad", 0, 0, 1) == 1;
    return network.add(
        at.where(),
        () -> {
          Window window = WindowReader.read(at.where(), attributes, Optional.empty(), x.extent());
          WindowReader.requireFloor(at.where(), attributes, window, x.extent());
          return max ? new Layer.MaxPool(window) : new Layer.AveragePool(window, paddingCounts);
        },
        List.of(x));
  }

  private Value pad(Located at, Attributes attributes) {
    Value x = inputs.first(at, 1, 4).get(0);
    if (x.extent().isVector()) {
      throw new OnnxException(at.where(), "images", "vectors of " + x.extent());
    }
    Padding padding = new PadReader(at, attributes, index, opset).read();
    return network.add(at.where(), () -> new Layer.Pad(padding), List.of(x));
  }

  private Value add(Located at, Attributes attributes) {
    attributes.allow();
    NodeInputs.requireInputs(at, 2, 2);
    for (String name : at.node().getInputList()) {
      if (index.isConstant(name)) {
        throw new OnnxException(
            at.where(),
            "two computed values, or a bias right after a MatMul or Conv without one",
            "the constant " + OnnxException.quote(name));
      }
    }
    return network.add(
        at.where(), Layer.Add::new, List.of(inputs.ordinary(at, 0), inputs.ordinary(at, 1)));
  }

  private Value flatten(Located at, Attributes attributes) {
    attributes.allow("axis");
    NodeInputs.requireInputs(at, 1, 1);
    Value x = inputs.flattenable(at);
    long axis = attributes.integer("axis", 1);
    if (axis != 1 && axis != (x.extent().isVector() ? -1 : -3)) {
      throw new OnnxException(at.where(), "axis = 1", Long.toString(axis));
    }
    return network.flatten(at.where(), x);
  }

  private Value reshape(Located at, Attributes attributes) {
    attributes.allow("allowzero");
    NodeInputs.requireInputs(at, 2, 2);
    Value x = inputs.flattenable(at);
    boolean zeroCopies = attributes.integer("allowzero", 0, 0, 1) == 0;
    String name = at.node().getInput(1);
    if (!index.isConstant(name)) {
      throw new OnnxException(
          at.where(), "a constant shape", "the computed " + OnnxException.quote(name));
    }
    long[] shape = index.constant(name).whole(8);
    long features = x.extent().elements();
    boolean flat = shape.length == 2;
    if (flat) {
      boolean rest = shape[1] == -1 && shape[0] != -1 || shape[1] == features;
      boolean samples =
          shape[0] == -1 || shape[0] == 0 && zeroCopies || batch > 0 && shape[0] == batch;
      flat = rest && samples;
    }
    if (!flat) {
      throw new OnnxException(
          at.where(),
          "a shape that flattens, [0, -1] or [-1, " + features + "]",
          Arrays.toString(shape));
    }
    return network.flatten(at.where(), x);
  }

  private Value transpose(Located at, Attributes attributes) {
    attributes.allow("perm");
    Value x = inputs.first(at, 1, 1).get(0);
    int[] perm = attributes.integers("perm", 4, 0).orElse(new int[0]);
    if (x.extent().isVector() || !Arrays.equals(perm, new int[] {0, 2, 3, 1})) {
      throw new OnnxException(
          at.where(), "perm [0, 2, 3, 1] of images", Arrays.toString(perm) + " of " + x.extent());
    }
    return new Value(x.node(), x.extent(), true, Ending.LOGITS);
  }

  private Value dropout(Located at, Attributes attributes) {
    attributes.allow("ratio", "seed", "is_test");
    Value x = inputs.first(at, 1, 3).get(0);
    float ratio = attributes.real("ratio", 0.5f);
    if (NodeInputs.hasInput(at, 1)) {
      ratio = inputs.weights(at, 1, 0).real(0);
    }
    if (NodeInputs.hasInput(at, 2)) {
      String name = at.node().getInput(2);
      long[] training = index.isConstant(name) ? index.constant(name).whole(1) : new long[] {1};
      if (training.length != 1 || training[0] != 0) {
        throw new OnnxException(at.where(), "training_mode = false", "true");
      }
    }
    // As the decimal number that was meant: 0.1, not 0.10000000149.
    double probability = Double.parseDouble(Float.toString(ratio));
    return network.add(at.where(), () -> new Layer.Dropout(probability), List.of(x));
  }

  private Value softmax(Located at, Attributes attributes, Ending ending) {
    attributes.allow("axis");
    NodeInputs.requireInputs(at, 1, 1);
    Value x = inputs.vector(at);
    long axis = attributes.integer("axis", opset < 13 ? 1 : -1);
    if (axis != 1 && axis != -1) {
      throw new OnnxException(at.where(), "axis = 1", Long.toString(axis));
    }
    return new Value(x.node(), x.extent(), false, ending);
  }
}
