package io.nepenthe.onnx;

import static io.nepenthe.onnx.Foreign.integer;
import static io.nepenthe.onnx.Foreign.integers;
import static io.nepenthe.onnx.Foreign.real;
import static io.nepenthe.onnx.Foreign.text;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.google.protobuf.ByteString;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Network;
import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.StringStringEntryProto;
import io.nepenthe.onnx.schema.TensorProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** What is not read: the message names file, node and reason, and nothing crashes. */
class RefusalTest {
  @TempDir private Path folder;

  private record Case(String words, Consumer<Foreign> damage) {}

  /** A sound model: convolution, normalisation, flattening, linear layer. */
  static Foreign sound() {
    return new Foreign(1)
        .input("x", 0, 2, 4, 4)
        .weight("w", 3, 2, 3, 3)
        .positive("g", 3)
        .weight("h", 3)
        .weight("m", 3)
        .positive("v", 3)
        .weight("k", 48, 5)
        .weight("b", 5)
        .node("Conv", "x w -> a", integers("pads", 1, 1, 1, 1), integers("strides", 1, 1))
        .node("BatchNormalization", "a g h m v -> c", real("epsilon", 1e-4f))
        .node("Flatten", "c -> f", integer("axis", 1))
        .node("Gemm", "f k b -> y", real("alpha", 1), integer("transB", 0))
        .output("y", 0, 5);
  }

  private static Consumer<Foreign> operator(int node, String operator) {
    return f -> f.graph().getNodeBuilder(node).setOpType(operator);
  }

  private static Consumer<Foreign> attribute(int node, AttributeProto attribute) {
    return f -> f.graph().getNodeBuilder(node).addAttribute(attribute);
  }

  private static Consumer<Foreign> replace(int node, int index, AttributeProto attribute) {
    return f -> f.graph().getNodeBuilder(node).setAttribute(index, attribute);
  }

  private static Consumer<Foreign> input(int node, int index, String name) {
    return f -> f.graph().getNodeBuilder(node).setInput(index, name);
  }

  private static Consumer<Foreign> tensor(int index, Consumer<TensorProto.Builder> damage) {
    return f -> damage.accept(f.graph().getInitializerBuilder(index));
  }

  private static List<Case> cases() {
    String conv = "node \"conv0\" (Conv): expected ";
    String norm = "node \"batchnormalization1\" (BatchNormalization): expected ";
    String flatten = "node \"flatten2\" (Flatten): expected ";
    String gemm = "node \"gemm3\" (Gemm): expected ";
    List<Case> cases = new ArrayList<>();
    cases.add(
        new Case(
            "node \"batchnormalization1\" (LayerNormalization): expected Add, AveragePool,",
            operator(1, "LayerNormalization")));
    cases.add(
        new Case(
            "found the unsupported operator LayerNormalization",
            operator(1, "LayerNormalization")));
    cases.add(
        new Case(
            "(com.example:Conv): expected",
            f -> f.graph().getNodeBuilder(0).setDomain("com.example")));
    cases.add(new Case(conv + "attributes out of", attribute(0, integer("foo", 1))));
    cases.add(
        new Case(conv + "one attribute \"pads\"", attribute(0, integers("pads", 0, 0, 0, 0))));
    cases.add(new Case(conv + "pads of 4 numbers", replace(0, 0, integers("pads", 1, 1))));
    cases.add(new Case(conv + "pads of 4 numbers", replace(0, 0, integers("pads", 1, -1, 1, 1))));
    cases.add(new Case(conv + "attribute pads of type INTS", replace(0, 0, integer("pads", 1))));
    cases.add(
        new Case(conv + "what the engine computes", replace(0, 0, integers("pads", 3, 3, 3, 3))));
    cases.add(new Case(conv + "strides of 2 numbers", replace(0, 1, integers("strides", 1))));
    cases.add(new Case(conv + "strides of 2 numbers", replace(0, 1, integers("strides", 0, 1))));
    cases.add(new Case(conv + "kernel_shape [3, 3]", attribute(0, integers("kernel_shape", 3, 2))));
    cases.add(new Case(conv + "auto_pad NOTSET", replace(0, 0, text("auto_pad", "SAME"))));
    cases.add(new Case(conv + "pads or auto_pad", attribute(0, text("auto_pad", "VALID"))));
    cases.add(
        new Case(
            conv + "what the engine computes, found a kernel that reaches",
            attribute(0, integers("dilations", 1 << 20, 1))));
    cases.add(new Case(conv + "what the engine computes", attribute(0, integer("group", 2))));
    cases.add(new Case(conv + "group in 1…", attribute(0, integer("group", 0))));
    cases.add(new Case(conv + "constant weights as input 1", input(0, 1, "x")));
    cases.add(new Case(conv + "\"g\" of 4 dimensions", input(0, 1, "g")));
    cases.add(
        new Case(
            conv + "a value computed before, found nothing that computes \"z\"", input(0, 0, "z")));
    cases.add(new Case(conv + "a value computed before, found nothing", input(0, 0, "c")));
    cases.add(new Case(conv + "a value computed before, found the constant", input(0, 0, "w")));
    cases.add(new Case(norm + "3 values in \"b\"", input(1, 2, "b")));
    cases.add(new Case(norm + "5 inputs", f -> f.graph().getNodeBuilder(1).addInput("b")));
    cases.add(
        new Case(norm + "the inference form", f -> f.graph().getNodeBuilder(1).addOutput("q")));
    cases.add(new Case(norm + "training_mode = 0", attribute(1, integer("training_mode", 1))));
    cases.add(new Case(norm + "a finite epsilon", replace(1, 0, real("epsilon", Float.NaN))));
    cases.add(new Case(norm + "what the engine computes", replace(1, 0, real("epsilon", -1))));
    cases.add(new Case(flatten + "axis = 1", replace(2, 0, integer("axis", 2))));
    cases.add(new Case(gemm + "vectors, found images", input(3, 0, "c")));
    cases.add(new Case(gemm + "transA = 0", attribute(3, integer("transA", 1))));
    cases.add(new Case(gemm + "transB in 0…1", replace(3, 1, integer("transB", 2))));
    cases.add(
        new Case(
            gemm + "what the engine computes, found gemm3 takes vectors of 48 features, found 60",
            f -> f.graph().setInput(0, Foreign.value("x", 0, 2, 5, 4))));
    cases.add(new Case(gemm + "a constant bias of 5 values", input(3, 2, "g")));
    cases.add(new Case("a model of one output, found 0 of them", f -> f.graph().clearOutput()));
    cases.add(new Case("a model of one input, found 2", f -> f.input("x2", 0, 2)));
    cases.add(
        new Case("2 or 4 dimensions", f -> f.graph().setInput(0, Foreign.value("x", 0, 3, 3))));
    cases.add(
        new Case(
            "for dimension 2, found the open size \"N\"",
            f -> f.graph().setInput(0, Foreign.value("x", 0, 2, 0, 4))));
    cases.add(
        new Case(
            "at most 2147483647 values a sample",
            f -> f.graph().setInput(0, Foreign.value("x", 0, 2, 1 << 30, 1 << 30))));
    cases.add(
        new Case("the declared size ?×6", f -> f.graph().setOutput(0, Foreign.value("y", 0, 6))));
    cases.add(
        new Case(
            "numbers of type FLOAT, found INT32",
            f ->
                f.graph()
                    .getInputBuilder(0)
                    .getTypeBuilder()
                    .getTensorTypeBuilder()
                    .setElemType(TensorProto.DataType.INT32_VALUE)));
    cases.add(
        new Case(
            "a network that the engine computes, found the output is an image",
            f -> f.graph().setOutput(0, Foreign.value("f", 0, 48))));
    cases.add(
        new Case(
            "outputs of new names, found \"a\"", f -> f.graph().getNodeBuilder(2).addOutput("a")));
    cases.add(new Case("tensors of different names, found \"w\" twice", f -> f.weight("w", 1)));
    cases.add(
        new Case(
            "tensor \"w\": expected values of type FLOAT, DOUBLE, INT64 or BOOL, found FLOAT16",
            tensor(0, t -> t.setDataType(TensorProto.DataType.FLOAT16_VALUE))));
    cases.add(
        new Case(
            "tensor \"w\": expected values of type FLOAT or DOUBLE, found INT64",
            tensor(
                0,
                t -> {
                  t.setDataType(TensorProto.DataType.INT64_VALUE);
                  for (int i = 0; i < 54; i++) {
                    t.addInt64Data(i);
                  }
                })));
    cases.add(new Case("54 values of 4 bytes", tensor(0, t -> t.addFloatData(1))));
    cases.add(
        new Case("values twice", tensor(0, t -> t.setRawData(ByteString.copyFrom(new byte[216])))));
    cases.add(new Case("a possible shape", tensor(0, t -> t.setDims(0, -3))));
    cases.add(new Case("a possible shape", tensor(0, t -> t.setDims(0, 1L << 60))));
    cases.add(
        new Case(
            "values of 4 bytes for shape [4294967296", tensor(0, t -> t.setDims(0, 1L << 32))));
    cases.add(
        new Case(
            "tensor \"w\": expected values in a file of the model's folder, found \"/etc/passwd\"",
            tensor(
                0,
                t ->
                    t.clearFloatData()
                        .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                        .addExternalData(
                            StringStringEntryProto.newBuilder()
                                .setKey("location")
                                .setValue("/etc/passwd")))));
    cases.add(new Case("a segment of one", tensor(0, t -> t.getSegmentBuilder().setBegin(0))));
    cases.add(new Case("operator set 7 to 25, found operator set 99", f -> f.versions(99, 8)));
    cases.add(new Case("format version 3 or later, found version 2", f -> f.versions(17, 2)));
    cases.add(
        new Case(
            "node \"add4\" (Add): expected two computed values, or a bias",
            f -> f.node("Add", "y b -> q").graph().setOutput(0, Foreign.value("q", 0, 5))));
    cases.add(
        new Case(
            "node \"relu5\" (Relu): expected a softmax at the very end only",
            f ->
                f.node("Softmax", "y -> p")
                    .node("Relu", "p -> r")
                    .graph()
                    .setOutput(0, Foreign.value("r", 0, 5))));
    cases.add(
        new Case(
            "node \"maxpool4\" (MaxPool): expected ceil_mode = 0",
            f -> {
              f.node(
                  "MaxPool",
                  "c -> p",
                  integers("kernel_shape", 3, 3),
                  integers("strides", 2, 2),
                  integer("ceil_mode", 1));
              f.graph().setOutput(0, Foreign.value("p", 0, 3, 2, 2));
            }));
    cases.add(
        new Case(
            "node \"reshape4\" (Reshape): expected a shape that flattens",
            f ->
                f.whole("s", 0, 3, 16)
                    .node("Reshape", "c s -> p")
                    .graph()
                    .setOutput(0, Foreign.value("p", 0, 3, 16))));
    String pad = "node \"pad4\" (Pad): expected ";
    cases.add(new Case(pad + "images, found vectors of 48", padded(17, "f s -> p", 1, 1)));
    cases.add(
        new Case(
            pad + "pads for both ends of different dimensions, found [1, 1, 1] for [0, 1, 2, 3]",
            padded(17, "c s -> p", 1, 1, 1)));
    cases.add(
        new Case(
            pad + "pads of height and width only, found [0, 1, 0, 0, 0, 0, 0, 0]",
            padded(17, "c s -> p", 0, 1, 0, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "pads in 0…1048576, found -1", padded(17, "c s -> p", 0, 0, -1, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "pads in 0…1048576, found 4294967296",
            padded(17, "c s -> p", 0, 0, 1L << 32, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "constant pads, found the computed \"f\"",
            padded(17, "c f -> p", 0, 0, 1, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "one finite constant_value, found 3 values",
            padded(17, "c s h -> p", 0, 0, 1, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "2 to 3 inputs, found 4", padded(17, "c s _ s -> p", 0, 0, 1, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "pads for both ends of different dimensions, found [1, 0, 1, 0] for [1, 0, 1, 0]",
            padded(18, "c s _ s -> p", 1, 0, 1, 0)));
    cases.add(new Case(pad + "pads, found none", padded(10, "c -> p")));
    cases.add(
        new Case(
            pad + "mode constant, reflect, edge, found \"wrap\"",
            padded(18, "wrap", "c s -> p", 0, 0, 1, 0, 0, 0, 0, 0)));
    cases.add(
        new Case(
            pad + "what the engine computes, found circular padding of 5 positions needs a height",
            padded(19, "wrap", "c s -> p", 0, 0, 1, 0, 0, 0, 5, 0)));
    cases.add(
        new Case(
            pad + "what the engine computes, found reflect padding of 4 positions needs a width",
            padded(13, "reflect", "c s -> p", 0, 0, 0, 0, 0, 0, 0, 4)));
    cases.add(
        new Case(
            pad + "at most 2147483647 values a sample",
            padded(13, "edge", "c s -> p", 0, 0, 1 << 20, 0, 0, 0, 0, 1 << 20)));
    return cases;
  }

  private static Consumer<Foreign> padded(int opset, String wiring, long... sides) {
    return padded(opset, "constant", wiring, sides);
  }

  /** A further node, of which the file's output is. */
  private static Consumer<Foreign> padded(int opset, String mode, String wiring, long... sides) {
    return f -> {
      f.versions(opset, 9).whole("s", sides).node("Pad", wiring, text("mode", mode));
      f.graph().setOutput(0, Foreign.value("p", 0, 3, 4, 4));
    };
  }

  @TestFactory
  Stream<DynamicTest> refusedInWords() {
    return cases().stream()
        .map(
            c ->
                dynamicTest(
                    c.words(),
                    () -> {
                      Foreign foreign = sound();
                      c.damage().accept(foreign);
                      refused(foreign.write(folder), c.words());
                    }));
  }

  @Test
  void theSoundModelIsRead() {
    OnnxReader.read(sound().write(folder)).close();
  }

  private static void refused(Path file, String words) {
    OnnxException e = assertThrows(OnnxException.class, () -> OnnxReader.read(file).close());
    assertTrue(e.getMessage().contains(words), e.getMessage());
    assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  @Test
  void otherFilesAreRefusedInWords() throws IOException {
    refused(folder.resolve("none"), "no such file");
    refused(folder, "a folder");
    refused(Files.write(folder.resolve("empty"), new byte[0]), "found no graph");
    refused(Files.writeString(folder.resolve("text"), "hello, world"), "an ONNX model");
    ModelProto proto = sound().proto();
    byte[] cut = Arrays.copyOf(proto.toByteArray(), proto.getSerializedSize() - 9);
    refused(Files.write(folder.resolve("cut"), cut), "damaged bytes");
    refused(
        Files.write(
            folder.resolve("set"), proto.toBuilder().clearOpsetImport().build().toByteArray()),
        "the standard operator set");
  }

  /** One tensor in many layers must not take many times its memory. */
  @Test
  void amplificationIsRefused() {
    Foreign foreign = new Foreign(1).input("x0", 0, 1000).weight("w", 1000, 1000);
    for (int i = 0; i < 60; i++) {
      foreign.node("Gemm", "x" + i + " w -> x" + (i + 1), real("alpha", 1 + i));
    }
    refused(foreign.output("x60", 0, 1000).write(folder), "one tensor in very many layers");
  }

  @Test
  void damagedFilesAreRefusedOrRun() throws IOException {
    Path file = folder.resolve("x.onnx");
    Random random = new Random(2026);
    int refused = 0;
    int run = 0;
    for (int style = 0; style < 5; style++) {
      byte[] intact;
      if (style == 0) {
        intact = sound().proto().toByteArray();
      } else {
        Network network = style == 4 ? Networks.padded() : Networks.random(style);
        try (OnnxModel model = OnnxModel.of(Networks.model(network, style))) {
          intact = OnnxWriter.proto(model).toByteArray();
        }
      }
      for (int n = 0; n < 400; n++) {
        Files.write(file, mutate(intact, random));
        String which = "style " + style + ", mutation " + n;
        try (OnnxModel model = OnnxReader.read(file)) {
          run += run(model) ? 1 : 0;
        } catch (OnnxException e) {
          refused++;
          assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
          assertTrue(e.getMessage().contains("expected"), e.getMessage());
          assertFalse(e.getMessage().contains("\n"), e.getMessage());
        } catch (RuntimeException | Error e) {
          throw new AssertionError(which + ": " + e, e);
        }
      }
    }
    assertTrue(refused > 400 && run > 100, refused + " refused, " + run + " run");
  }

  /** What was read must run; very large images are left out for the time they take. */
  static boolean run(OnnxModel model) {
    int nodes = model.model().network().nodes().size();
    for (int i = 0; i < nodes; i++) {
      if (model.model().network().extent(i).elements() > 1 << 20) {
        return false;
      }
    }
    try (Backend backend = Device.cpu(1).open();
        Execution execution = new Execution(model.model(), backend, 1, Mode.INFERENCE)) {
      execution.forward(1);
    }
    return true;
  }

  private static byte[] mutate(byte[] intact, Random random) {
    byte[] out = intact.clone();
    int size = out.length;
    int at = random.nextInt(size);
    int length = 1 + random.nextInt(Math.min(size - at, 200));
    switch (random.nextInt(10)) {
      case 0 -> out = Arrays.copyOf(out, at);
      case 1 -> out[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> out[at] = (byte) random.nextInt();
      case 3 -> out[at] = (byte) 0xff;
      case 4 -> {
        if (at + 4 <= size) {
          int[] extremes = {-1, Integer.MAX_VALUE, 0, 1, 0xffff, 1 << 30};
          int value = extremes[random.nextInt(extremes.length)];
          ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
        }
      }
      case 5 -> out = Arrays.copyOf(out, size + length);
      case 6 -> Arrays.fill(out, at, at + length, (byte) random.nextInt());
      case 7 -> System.arraycopy(intact, at, out, random.nextInt(size - length + 1), length);
      case 8 -> {
        System.arraycopy(intact, at + length, out, at, size - at - length);
        out = Arrays.copyOf(out, size - length);
      }
      default -> {
        for (int i = 0; i < 10; i++) {
          out[random.nextInt(size)] ^= (byte) (1 << random.nextInt(8));
        }
      }
    }
    return out;
  }
}
