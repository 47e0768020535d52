package io.nepenthe.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.GraphProto;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.onnx.schema.StringStringEntryProto;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.TensorShapeProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Graphs that are whole protocol buffers and make no sense: nodes in another order, in cycles and
 * twice, attributes and sizes beyond every bound, values of other types and in other files. Random
 * bytes, as in {@link RefusalTest}, hardly ever come so far. Each is refused in words, or read, run
 * and written to what is read again.
 */
class MutatedGraphTest {
  private static final int MUTANTS = 120;

  private static final long[] EXTREMES = {
    0,
    1,
    2,
    -1,
    -2,
    3,
    4,
    48,
    1 << 16,
    1 << 20,
    (1 << 20) + 1,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    1L << 31,
    1L << 32,
    1L << 60,
    (1L << 60) + 1,
    1L << 61,
    3L << 59,
    Long.MAX_VALUE,
    Long.MIN_VALUE
  };

  private static final float[] REALS = {
    0, -0f, 1, -1, 1e-45f, 3e38f, Float.NaN, Float.NEGATIVE_INFINITY
  };

  private static final String[] OPERATORS = {
    "Add", "AveragePool", "BatchNormalization", "Celu", "Constant", "Conv", "Dropout", "Flatten",
    "Gemm", "GlobalAveragePool", "Identity", "LogSoftmax", "MatMul", "MaxPool", "Pad", "Relu",
    "Reshape", "Softmax", "Transpose", "If", ""
  };

  private static final String[] ATTRIBUTES = {
    "auto_pad",
    "axis",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "epsilon",
    "group",
    "kernel_shape",
    "mode",
    "momentum",
    "pads",
    "perm",
    "ratio",
    "spatial",
    "storage_order",
    "strides",
    "transA",
    "transB",
    "alpha",
    "beta",
    "value",
    "value_float",
    "value_ints",
    "allowzero",
    "value_floats"
  };

  private static final String[] TEXTS = {
    "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "reflect", "edge", "wrap", "constant", ""
  };

  @TempDir private Path folder;
  private final Random random = new Random(20261123);

  @Test
  void isRefusedOrRun() throws IOException {
    List<ModelProto> sound = sound();
    Path file = folder.resolve("x.onnx");
    Path again = folder.resolve("again.onnx");
    int refused = 0;
    int run = 0;
    for (int n = 0; n < MUTANTS * sound.size(); n++) {
      ModelProto.Builder model = sound.get(n % sound.size()).toBuilder();
      for (int i = random.nextInt(3); i >= 0; i--) {
        mutate(model);
      }
      Files.write(file, model.build().toByteArray());
      try (OnnxModel read = OnnxReader.read(file)) {
        if (RefusalTest.run(read)) {
          run++;
          OnnxWriter.write(read, again);
          try (OnnxModel written = OnnxReader.read(again)) {
            assertEquals(read.model().network(), written.model().network());
          }
        }
      } catch (OnnxException e) {
        refused++;
        assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
        assertTrue(e.getMessage().contains("expected"), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      } catch (RuntimeException | Error e) {
        throw new AssertionError("mutant " + n + ": " + e + "\n" + model.build(), e);
      }
    }
    assertTrue(refused > MUTANTS && run > MUTANTS / 4, refused + " refused, " + run + " run");
  }

  private List<ModelProto> sound() throws IOException {
    List<ModelProto> sound = new ArrayList<>();
    sound.add(RefusalTest.sound().proto());
    sound.add(
        new Foreign(2)
            .input("x", 0, 2, 6, 6)
            .weight("w", 4, 1, 3, 3)
            .weight("k", 16, 3)
            .whole("s", 0, -1)
            .whole("p", 0, 0, 1, 1, 0, 0, 1, 1)
            .node("Pad", "x p -> a", Foreign.text("mode", "reflect"))
            .node("Conv", "a w -> b", Foreign.integer("group", 2))
            .node("Relu", "b -> c")
            .node("Add", "c b -> d")
            .node(
                "MaxPool",
                "d -> e",
                Foreign.integers("kernel_shape", 3, 3),
                Foreign.integers("strides", 3, 3))
            .node("Constant", "-> o", Foreign.tensorAttribute(Foreign.wholeTensor(0, 16)))
            .node("Reshape", "e s -> f")
            .node("MatMul", "f k -> g")
            .node("Softmax", "g -> y")
            .output("y", 0, 3)
            .proto());
    for (int seed = 1; seed <= 2; seed++) {
      try (OnnxModel model = OnnxModel.of(Networks.model(Networks.random(seed), seed))) {
        sound.add(OnnxWriter.proto(model));
      }
    }
    // The first once more, with its weights in another file.
    Files.write(folder.resolve("data"), new byte[1 << 14]);
    ModelProto.Builder beside = sound.getFirst().toBuilder();
    beside.getGraphBuilder().getInitializerBuilderList().forEach(MutatedGraphTest::beside);
    sound.add(beside.build());
    return sound;
  }

  private static void beside(TensorProto.Builder tensor) {
    tensor
        .clearFloatData()
        .setDataLocation(TensorProto.DataLocation.EXTERNAL)
        .addExternalData(entry("location", "data"))
        .addExternalData(entry("offset", "64"));
  }

  private static StringStringEntryProto entry(String key, String value) {
    return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
  }

  private long extreme() {
    return EXTREMES[random.nextInt(EXTREMES.length)];
  }

  private boolean oneIn(int chances) {
    return random.nextInt(chances) == 0;
  }

  private <T> T any(List<T> list) {
    return list.get(random.nextInt(list.size()));
  }

  private void mutate(ModelProto.Builder model) {
    GraphProto.Builder graph = model.getGraphBuilder();
    int what = random.nextInt(20);
    if (what == 0) {
      model.getOpsetImportBuilder(0).setVersion(7 + random.nextInt(20));
    } else if (what < 8 && graph.getNodeCount() > 0) {
      node(graph, random.nextInt(graph.getNodeCount()));
    } else if (what < 12 && graph.getNodeCount() > 0) {
      attribute(graph.getNodeBuilder(random.nextInt(graph.getNodeCount())));
    } else if (what < 18 && graph.getInitializerCount() > 0) {
      tensor(graph, random.nextInt(graph.getInitializerCount()));
    } else if (what == 18 && graph.getInputCount() > 0) {
      graph.setInput(0, value(graph.getInput(0).toBuilder()));
    } else if (graph.getOutputCount() > 0) {
      ValueInfoProto.Builder output = graph.getOutput(0).toBuilder();
      graph.setOutput(0, oneIn(2) ? value(output) : output.setName(name(graph)).build());
    }
  }

  /** Any name that the graph has, or none. */
  private String name(GraphProto.Builder graph) {
    List<String> names = new ArrayList<>(List.of("", "new", graph.getInput(0).getName()));
    graph.getInitializerList().forEach(tensor -> names.add(tensor.getName()));
    graph.getNodeList().forEach(node -> names.addAll(node.getOutputList()));
    return any(names);
  }

  private void node(GraphProto.Builder graph, int index) {
    NodeProto.Builder node = graph.getNodeBuilder(index);
    int other = random.nextInt(graph.getNodeCount());
    switch (random.nextInt(9)) {
      case 0 -> node.setOpType(OPERATORS[random.nextInt(OPERATORS.length)]);
      case 1 -> {
        NodeProto first = graph.getNode(index);
        graph.setNode(index, graph.getNode(other)).setNode(other, first);
      }
      case 2 -> graph.addNode(other, node.build());
      case 3 -> graph.removeNode(index);
      case 4 -> node.addInput(name(graph));
      case 5 -> node.addOutput(oneIn(2) ? "more" : name(graph));
      case 6 -> {
        if (node.getOutputCount() > 0) {
          node.setOutput(0, name(graph));
        }
      }
      case 7 -> node.clearInput();
      default -> {
        if (node.getInputCount() > 0) {
          node.setInput(random.nextInt(node.getInputCount()), name(graph));
        }
      }
    }
  }

  private void attribute(NodeProto.Builder node) {
    int count = node.getAttributeCount();
    if (count == 0 || oneIn(3)) {
      AttributeProto.Builder made = AttributeProto.newBuilder();
      made.setName(ATTRIBUTES[random.nextInt(ATTRIBUTES.length)]);
      node.addAttribute(changed(made));
    } else if (oneIn(5)) {
      node.removeAttribute(random.nextInt(count));
    } else {
      int index = random.nextInt(count);
      node.setAttribute(index, changed(node.getAttribute(index).toBuilder()));
    }
  }

  private AttributeProto changed(AttributeProto.Builder attribute) {
    switch (random.nextInt(6)) {
      case 0 -> attribute.setType(AttributeProto.AttributeType.INT).setI(extreme());
      case 1 ->
          attribute
              .setType(AttributeProto.AttributeType.FLOAT)
              .setF(REALS[random.nextInt(REALS.length)]);
      case 2 -> {
        String text = TEXTS[random.nextInt(TEXTS.length)];
        attribute.setType(AttributeProto.AttributeType.STRING).setS(ByteString.copyFromUtf8(text));
      }
      case 3 -> {
        attribute.setType(AttributeProto.AttributeType.INTS);
        for (int i = random.nextInt(3); i > 0; i--) {
          attribute.addInts(extreme());
        }
      }
      case 4 -> attribute.clearType();
      default -> {
        for (int i = 0; i < attribute.getIntsCount(); i++) {
          attribute.setInts(i, oneIn(2) ? attribute.getInts(i) : extreme());
        }
      }
    }
    return attribute.build();
  }

  private void tensor(GraphProto.Builder graph, int index) {
    TensorProto.Builder tensor = graph.getInitializerBuilder(index);
    switch (random.nextInt(10)) {
      case 0, 1 -> {
        for (int i = 0; i < tensor.getDimsCount(); i++) {
          tensor.setDims(i, oneIn(2) ? tensor.getDims(i) : extreme());
        }
      }
      case 2 -> tensor.addDims(extreme());
      case 3 -> tensor.clearDims();
      case 4 -> tensor.setDataType(random.nextInt(25));
      case 5 -> tensor.setRawData(ByteString.copyFrom(new byte[random.nextInt(300)]));
      case 6 -> {
        if (tensor.getFloatDataCount() > 0) {
          int at = random.nextInt(tensor.getFloatDataCount());
          tensor.setFloatData(at, REALS[random.nextInt(REALS.length)]);
        }
      }
      case 7 -> tensor.addInt64Data(extreme()).clearFloatData();
      case 8 -> {
        String[] keys = {"location", "offset", "length", "checksum"};
        String[] values = {"data", "x.onnx", "../data", "", "-1", extreme() + "", "\0", "/"};
        tensor
            .setDataLocation(TensorProto.DataLocation.EXTERNAL)
            .addExternalData(entry(keys[random.nextInt(4)], values[random.nextInt(values.length)]));
        if (oneIn(2)) {
          // Without data of its own, and any size at all.
          tensor.clearFloatData().clearRawData().clearExternalData();
          tensor.addExternalData(entry("location", "data"));
          tensor.clearDims().addDims(extreme()).setDataType(oneIn(2) ? 1 : oneIn(2) ? 7 : 11);
        }
      }
      default -> graph.addInitializer(tensor.clone().setName(oneIn(2) ? "" : "copy"));
    }
  }

  private ValueInfoProto value(ValueInfoProto.Builder value) {
    var type = value.getTypeBuilder().getTensorTypeBuilder();
    TensorShapeProto.Builder shape = type.getShapeBuilder();
    switch (random.nextInt(5)) {
      case 0 -> type.setElemType(random.nextInt(25));
      case 1 -> shape.clearDim();
      case 2 -> shape.addDimBuilder().setDimValue(extreme());
      case 3 -> value.setName("other");
      default -> {
        for (int i = 0; i < shape.getDimCount(); i++) {
          if (oneIn(2)) {
            shape.getDimBuilder(i).setDimValue(extreme());
          }
        }
      }
    }
    return value.build();
  }
}
