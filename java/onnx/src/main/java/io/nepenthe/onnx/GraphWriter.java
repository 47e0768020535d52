package io.nepenthe.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.nn.Parameters;
import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.AttributeProto.AttributeType;
import io.nepenthe.onnx.schema.GraphProto;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.TensorShapeProto;
import io.nepenthe.onnx.schema.TensorShapeProto.Dimension;
import io.nepenthe.onnx.schema.TypeProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Turns a network into an ONNX graph, node by node. */
final class GraphWriter {
  /** The operator set in which average pooling knows dilations. */
  private static final int DILATED_AVERAGE = 19;

  private final OnnxModel model;
  private final Network network;
  private final GraphProto.Builder graph = GraphProto.newBuilder().setName("network");
  private final Names names = new Names();
  private final Names nodeNames = new Names();
  private final String[] values;
  private int opset;

  GraphWriter(OnnxModel model, int opset) {
    this.model = model;
    this.network = model.model().network();
    this.values = new String[network.nodes().size()];
    this.opset = opset;
  }

  /** The operator set that the graph needs. */
  int opset() {
    return opset;
  }

  GraphProto write() {
    names.take(model.input());
    names.take(model.output());
    for (Initialiser initialiser : model.initialisers().values()) {
      names.take(initialiser.name());
    }
    model.model().parameters().all().forEach(this::initialiser);
    model.model().buffers().all().forEach(this::initialiser);
    graph.addInput(value(model.input(), network.input()));
    graph.addOutput(value(model.output(), network.output()));
    values[0] = model.input();
    for (int i = 1; i < values.length; i++) {
      Network.Node node = network.nodes().get(i);
      boolean last = i == values.length - 1 && model.ending() == Ending.LOGITS;
      // When the file is read, layers whose weights have no telling names are named as their nodes.
      String name = nodeNames.fresh(wish(node.layer(), i));
      values[i] = last ? model.output() : names.fresh(name);
      node(i, node, name);
    }
    if (model.ending() != Ending.LOGITS) {
      boolean plain = model.ending() == Ending.SOFTMAX;
      NodeProto.Builder end =
          start(
              plain ? "Softmax" : "LogSoftmax",
              nodeNames.fresh("softmax"),
              values[values.length - 1]);
      graph.addNode(end.addAttribute(integer("axis", 1)).addOutput(model.output()));
    }
    return graph.build();
  }

  private static String wish(Layer layer, int index) {
    return layer instanceof Layer.Parametric parametric
        ? parametric.name()
        : layer.getClass().getSimpleName().toLowerCase(Locale.ROOT) + "_" + index;
  }

  private void node(int index, Network.Node node, String name) {
    List<String> inputs = node.inputs().stream().map(i -> values[i]).toList();
    NodeProto.Builder out =
        switch (node.layer()) {
          case Layer.Linear linear ->
              parametric("Gemm", name, inputs.get(0), linear)
                  .addAttribute(integer("transB", transB(linear)));
          case Layer.Conv2d conv -> {
            NodeProto.Builder made = parametric("Conv", name, inputs.get(0), conv);
            window(made, conv.window(), true);
            yield made.addAttribute(integer("group", conv.groups()));
          }
          case Layer.BatchNorm2d norm ->
              parametric("BatchNormalization", name, inputs.get(0), norm)
                  .addAttribute(real("epsilon", norm.epsilon()))
                  .addAttribute(real("momentum", complement(norm.momentum())));
          case Layer.Relu _ -> start("Relu", name, inputs.get(0));
          case Layer.Celu celu ->
              start("Celu", name, inputs.get(0)).addAttribute(real("alpha", celu.alpha()));
          case Layer.MaxPool pool -> {
            NodeProto.Builder made = start("MaxPool", name, inputs.get(0));
            window(made, pool.window(), true);
            yield made;
          }
          case Layer.AveragePool pool -> average(name, inputs.get(0), pool);
          case Layer.GlobalAveragePool _ -> start("GlobalAveragePool", name, inputs.get(0));
          case Layer.Pad pad -> pad(name, inputs.get(0), pad.padding());
          case Layer.Add _ -> start("Add", name, inputs.get(0)).addInput(inputs.get(1));
          case Layer.Flatten _ ->
              start("Flatten", name, flattened(index, name, inputs.get(0)))
                  .addAttribute(integer("axis", 1));
          case Layer.Dropout dropout ->
              start("Dropout", name, inputs.get(0)).addInput(ratio(name, dropout));
          case Layer.Input _ -> throw new IllegalArgumentException("an input after the first node");
        };
    graph.addNode(out.addOutput(values[index]));
  }

  private NodeProto.Builder parametric(
      String operator, String name, String input, Layer.Parametric layer) {
    NodeProto.Builder node = start(operator, name, input);
    for (ParameterSpec spec : layer.parameters()) {
      node.addInput(model.initialiser(spec.name()).name());
    }
    for (ParameterSpec spec : layer.buffers()) {
      node.addInput(model.initialiser(spec.name()).name());
    }
    return node;
  }

  private int transB(Layer.Linear linear) {
    Initialiser weight = model.initialiser(linear.parameters().get(0).name());
    return weight.order() == Initialiser.Order.CHWO ? 0 : 1;
  }

  private NodeProto.Builder average(String name, String input, Layer.AveragePool pool) {
    NodeProto.Builder node = start("AveragePool", name, input);
    Window window = pool.window();
    boolean dilated = window.dilationHeight() > 1 || window.dilationWidth() > 1;
    if (dilated) {
      opset = Math.max(opset, DILATED_AVERAGE);
    }
    window(node, window, dilated);
    return node.addAttribute(integer("count_include_pad", pool.paddingCounts() ? 1 : 0));
  }

  /** The input of a flattening node, transposed first where its order must be the engine's. */
  private String flattened(int index, String name, String input) {
    if (!model.graph().channelsLast().contains(index)) {
      return input;
    }
    String transposed = names.fresh(name + "_transposed");
    graph.addNode(
        start("Transpose", transposed, input)
            .addAttribute(integers("perm", 0, 2, 3, 1))
            .addOutput(transposed));
    return transposed;
  }

  private NodeProto.Builder pad(String name, String input, Padding padding) {
    TensorProto.Builder pads =
        TensorProto.newBuilder().setDataType(TensorProto.DataType.INT64_VALUE).addDims(8);
    int[] sides = {0, 0, padding.top(), padding.left(), 0, 0, padding.bottom(), padding.right()};
    for (int side : sides) {
      pads.addInt64Data(side);
    }
    NodeProto.Builder node =
        start("Pad", name, input)
            .addInput(constant(name + "_pads", pads))
            .addAttribute(text("mode", PadReader.name(padding.mode())));
    if (padding.value() != 0) {
      node.addInput(constant(name + "_value", real(padding.value())));
    }
    if (padding.mode() == Padding.Mode.CIRCULAR) {
      opset = Math.max(opset, PadReader.CIRCULAR);
    }
    return node;
  }

  private String ratio(String name, Layer.Dropout dropout) {
    return constant(name + "_ratio", real((float) dropout.probability()));
  }

  /** A constant node, not an initialiser: it is no weight. */
  private String constant(String wish, TensorProto.Builder value) {
    String name = names.fresh(wish);
    graph.addNode(
        NodeProto.newBuilder()
            .setOpType("Constant")
            .setName(name)
            .addAttribute(
                AttributeProto.newBuilder()
                    .setName("value")
                    .setType(AttributeType.TENSOR)
                    .setT(value))
            .addOutput(name));
    return name;
  }

  private static TensorProto.Builder real(float value) {
    return TensorProto.newBuilder()
        .setDataType(TensorProto.DataType.FLOAT_VALUE)
        .addFloatData(value);
  }

  private static NodeProto.Builder start(String operator, String name, String input) {
    return NodeProto.newBuilder().setOpType(operator).setName(name).addInput(input);
  }

  private static void window(NodeProto.Builder node, Window w, boolean dilations) {
    node.addAttribute(integers("kernel_shape", w.kernelHeight(), w.kernelWidth()));
    node.addAttribute(integers("strides", w.strideHeight(), w.strideWidth()));
    node.addAttribute(integers("pads", w.top(), w.left(), w.bottom(), w.right()));
    if (dilations) {
      node.addAttribute(integers("dilations", w.dilationHeight(), w.dilationWidth()));
    }
  }

  /**
   * 1 − x, as the shortest decimals have it. ONNX's momentum is the weight of the old statistics,
   * the engine's that of the new ones.
   */
  static float complement(float x) {
    return BigDecimal.ONE.subtract(new BigDecimal(Float.toString(x))).floatValue();
  }

  private static AttributeProto integer(String name, long value) {
    return AttributeProto.newBuilder().setName(name).setType(AttributeType.INT).setI(value).build();
  }

  private static AttributeProto text(String name, String value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeType.STRING)
        .setS(ByteString.copyFromUtf8(value))
        .build();
  }

  private static AttributeProto real(String name, float value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeType.FLOAT)
        .setF(value)
        .build();
  }

  private static AttributeProto integers(String name, long... values) {
    AttributeProto.Builder attribute =
        AttributeProto.newBuilder().setName(name).setType(AttributeType.INTS);
    for (long value : values) {
      attribute.addInts(value);
    }
    return attribute.build();
  }

  private void initialiser(Parameters.Parameter parameter) {
    Initialiser initialiser = model.initialiser(parameter.spec().name());
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setName(initialiser.name())
            .setDataType(TensorProto.DataType.FLOAT_VALUE);
    for (long size : sizes(initialiser.shape())) {
      tensor.addDims(size);
    }
    try (Arena arena = Arena.ofConfined()) {
      graph.addInitializer(tensor.setRawData(bytes(initialiser.toOnnx(parameter.value(), arena))));
    }
  }

  private static ByteString bytes(Tensor tensor) {
    byte[] bytes = new byte[Math.toIntExact(tensor.shape().bytes())];
    MemorySegment.copy(tensor.segment(), 0, MemorySegment.ofArray(bytes), 0, bytes.length);
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(tensor.toArray());
    }
    return UnsafeByteOperations.unsafeWrap(bytes);
  }

  private static List<Long> sizes(Shape shape) {
    List<Long> sizes = new ArrayList<>();
    for (int i = 0; i < shape.rank(); i++) {
      sizes.add(shape.size(i));
    }
    return sizes;
  }

  private static ValueInfoProto value(String name, Extent extent) {
    TensorShapeProto.Builder shape =
        TensorShapeProto.newBuilder().addDim(Dimension.newBuilder().setDimParam("batch"));
    List<Long> sizes =
        extent.isVector()
            ? List.of(extent.channels())
            : List.of(extent.channels(), extent.height(), extent.width());
    for (long size : sizes) {
      shape.addDim(Dimension.newBuilder().setDimValue(size));
    }
    TypeProto.Tensor.Builder type =
        TypeProto.Tensor.newBuilder().setElemType(TensorProto.DataType.FLOAT_VALUE).setShape(shape);
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setType(TypeProto.newBuilder().setTensorType(type))
        .build();
  }
}
