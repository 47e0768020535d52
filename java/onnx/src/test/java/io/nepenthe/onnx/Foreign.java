package io.nepenthe.onnx;

import com.google.protobuf.ByteString;
import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.AttributeProto.AttributeType;
import io.nepenthe.onnx.schema.GraphProto;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.onnx.schema.OperatorSetIdProto;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.TensorShapeProto;
import io.nepenthe.onnx.schema.TensorShapeProto.Dimension;
import io.nepenthe.onnx.schema.TypeProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Random;

/** Builds graphs by hand, in styles that the writer does not have. */
final class Foreign {
  private final GraphProto.Builder graph = GraphProto.newBuilder().setName("foreign");
  private final Random random;
  private int opset = 17;
  private int ir = 8;

  Foreign(long seed) {
    this.random = new Random(seed);
  }

  Foreign versions(int opset, int ir) {
    this.opset = opset;
    this.ir = ir;
    return this;
  }

  GraphProto.Builder graph() {
    return graph;
  }

  /** An input or output; the first size 0 is open. */
  static ValueInfoProto value(String name, long... sizes) {
    TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
    for (long size : sizes) {
      Dimension.Builder dimension = Dimension.newBuilder();
      shape.addDim(size == 0 ? dimension.setDimParam("N") : dimension.setDimValue(size));
    }
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setType(
            TypeProto.newBuilder()
                .setTensorType(
                    TypeProto.Tensor.newBuilder()
                        .setElemType(TensorProto.DataType.FLOAT_VALUE)
                        .setShape(shape)))
        .build();
  }

  Foreign input(String name, long... sizes) {
    graph.addInput(value(name, sizes));
    return this;
  }

  Foreign output(String name, long... sizes) {
    graph.addOutput(value(name, sizes));
    return this;
  }

  float[] draw(int count, float low, float high) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = low + (high - low) * random.nextFloat();
    }
    return values;
  }

  TensorProto.Builder tensor(String name, float low, float high, long... sizes) {
    TensorProto.Builder tensor =
        TensorProto.newBuilder().setName(name).setDataType(TensorProto.DataType.FLOAT_VALUE);
    int count = 1;
    for (long size : sizes) {
      tensor.addDims(size);
      count *= (int) size;
    }
    for (float value : draw(count, low, high)) {
      tensor.addFloatData(value);
    }
    return tensor;
  }

  /** A random initialiser, as a list of numbers. */
  Foreign weight(String name, long... sizes) {
    graph.addInitializer(tensor(name, -0.5f, 0.5f, sizes));
    return this;
  }

  Foreign positive(String name, long... sizes) {
    graph.addInitializer(tensor(name, 0.5f, 1.5f, sizes));
    return this;
  }

  /** A random initialiser, as bytes. */
  Foreign rawWeight(String name, long... sizes) {
    TensorProto.Builder tensor = tensor(name, -0.5f, 0.5f, sizes);
    ByteBuffer bytes =
        ByteBuffer.allocate(4 * tensor.getFloatDataCount()).order(ByteOrder.LITTLE_ENDIAN);
    tensor.getFloatDataList().forEach(bytes::putFloat);
    tensor.clearFloatData().setRawData(ByteString.copyFrom(bytes.array()));
    graph.addInitializer(tensor);
    return this;
  }

  Foreign whole(String name, long... values) {
    graph.addInitializer(wholeTensor(values).setName(name));
    return this;
  }

  static TensorProto.Builder wholeTensor(long... values) {
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setDataType(TensorProto.DataType.INT64_VALUE)
            .addDims(values.length);
    for (long value : values) {
      tensor.addInt64Data(value);
    }
    return tensor;
  }

  /** A node; inputs and output as in {@code "a b -> c"}. */
  Foreign node(String operator, String wiring, AttributeProto... attributes) {
    NodeProto.Builder node = NodeProto.newBuilder().setOpType(operator);
    String[] sides = wiring.split(" *-> *");
    for (String input : sides[0].isEmpty() ? new String[0] : sides[0].split(" ")) {
      node.addInput(input.equals("_") ? "" : input);
    }
    for (String output : sides[1].split(" ")) {
      node.addOutput(output);
    }
    node.setName(operator.toLowerCase(Locale.ROOT) + graph.getNodeCount());
    for (AttributeProto attribute : attributes) {
      node.addAttribute(attribute);
    }
    graph.addNode(node);
    return this;
  }

  static AttributeProto integer(String name, long value) {
    return AttributeProto.newBuilder().setName(name).setType(AttributeType.INT).setI(value).build();
  }

  static AttributeProto real(String name, float value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeType.FLOAT)
        .setF(value)
        .build();
  }

  static AttributeProto text(String name, String value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeType.STRING)
        .setS(ByteString.copyFromUtf8(value))
        .build();
  }

  static AttributeProto integers(String name, long... values) {
    AttributeProto.Builder attribute =
        AttributeProto.newBuilder().setName(name).setType(AttributeType.INTS);
    for (long value : values) {
      attribute.addInts(value);
    }
    return attribute.build();
  }

  static AttributeProto tensorAttribute(TensorProto.Builder tensor) {
    return AttributeProto.newBuilder()
        .setName("value")
        .setType(AttributeType.TENSOR)
        .setT(tensor)
        .build();
  }

  ModelProto proto() {
    return ModelProto.newBuilder()
        .setIrVersion(ir)
        .setProducerName("by hand")
        .setGraph(graph)
        .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(opset))
        .build();
  }

  Path write(Path folder) {
    try {
      return Files.write(folder.resolve("foreign.onnx"), proto().toByteArray());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
