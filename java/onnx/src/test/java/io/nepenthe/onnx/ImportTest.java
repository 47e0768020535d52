package io.nepenthe.onnx;

import static io.nepenthe.onnx.Foreign.integer;
import static io.nepenthe.onnx.Foreign.integers;
import static io.nepenthe.onnx.Foreign.real;
import static io.nepenthe.onnx.Foreign.tensorAttribute;
import static io.nepenthe.onnx.Foreign.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.nn.Layer;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.TypeProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import io.nepenthe.tensor.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Files that other tools might have written: what the engine computes is what ONNX Runtime does.
 */
class ImportTest {
  @TempDir private Path folder;

  /**
   * Convolution, flattening of a wide image, MatMul and Add as older Keras exporters write them.
   */
  @Test
  void matMulWithColumnsOfAWideImage() {
    RoundTrip.check(
        folder,
        new Foreign(1)
            .input("images", 0, 2, 6, 5)
            .rawWeight("conv/kernel", 4, 2, 3, 3)
            .weight("dense/kernel", 4 * 3 * 3, 7)
            .weight("dense/bias", 1, 7)
            .weight("last/kernel", 7, 3)
            .weight("last/bias", 3)
            .whole("shape", 0, -1)
            .node(
                "Conv",
                "images conv/kernel -> c",
                integers("strides", 2, 2),
                text("auto_pad", "SAME_UPPER"))
            .node("Relu", "c -> r")
            .node("Reshape", "r shape -> flat")
            .node("MatMul", "flat dense/kernel -> m")
            .node("Add", "dense/bias m -> a")
            .node("Relu", "a -> b")
            .node("MatMul", "b last/kernel -> n")
            .node("Add", "n last/bias -> logits")
            .node("Softmax", "logits -> p")
            .output("p", 0, 3),
        model -> {
          assertEquals(Ending.SOFTMAX, model.ending());
          assertEquals(
              List.of("conv/kernel", "dense/kernel", "dense/bias", "last/kernel", "last/bias"),
              RoundTrip.names(model));
          Initialiser kernel = RoundTrip.named(model, "dense/kernel");
          assertEquals(Shape.of(36, 7), kernel.shape());
          assertEquals(Shape.of(7, 36), kernel.spec().shape());
          assertEquals(Shape.of(1, 7), RoundTrip.named(model, "dense/bias").shape());
          assertEquals(List.of(), model.notes());
        });
  }

  @Test
  void everyPaddingMode() {
    for (String mode : List.of("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")) {
      for (int stride = 1; stride <= 3; stride++) {
        Foreign foreign =
            new Foreign(stride)
                .input("x", 0, 3, 9, 8)
                .weight("w", 4, 3, 4, 3)
                .weight("b", 4)
                .node(
                    "Conv",
                    "x w b -> y",
                    text("auto_pad", mode),
                    integers("kernel_shape", 4, 3),
                    integers("strides", stride, 2))
                .node(
                    "MaxPool",
                    "y -> z",
                    text("auto_pad", mode),
                    integers("kernel_shape", 2, 2),
                    integers("strides", 1, 2))
                .output("z");
        foreign.graph().getOutputBuilder(0).getTypeBuilder().getTensorTypeBuilder().clearShape();
        RoundTrip.check(
            folder, foreign, model -> assertEquals(List.of("w", "b"), RoundTrip.names(model)));
      }
    }
  }

  @Test
  void asymmetricPaddingDilationsAndGroups() {
    RoundTrip.check(
        folder,
        new Foreign(4)
            .input("x", 0, 4, 9, 8)
            .weight("w", 6, 2, 3, 2)
            .node(
                "Conv",
                "x w -> y",
                integers("pads", 1, 0, 2, 1),
                integers("dilations", 2, 1),
                integer("group", 2))
            .node(
                "AveragePool",
                "y -> z",
                integers("kernel_shape", 3, 3),
                integers("pads", 0, 1, 2, 1),
                integers("strides", 2, 2),
                integer("count_include_pad", 1))
            .node(
                "AveragePool",
                "z -> q",
                integers("kernel_shape", 2, 2),
                integers("pads", 1, 0, 0, 1))
            .node("GlobalAveragePool", "q -> g")
            .node("Flatten", "g -> f", integer("axis", -3))
            .output("f", 0, 6),
        model -> assertEquals(List.of("w"), RoundTrip.names(model)));
  }

  /** Sides and value as attributes, as inputs, and as inputs for some dimensions. */
  @Test
  void paddingInItsForms() {
    for (String mode : List.of("constant", "reflect", "edge", "wrap")) {
      for (int opset : new int[] {10, 11, 17, 18, 19, 21}) {
        if (mode.equals("wrap") && opset < 19) {
          continue;
        }
        Foreign foreign =
            new Foreign(opset)
                .versions(opset, opset < 19 ? 8 : 10)
                .input("x", 0, 2, 4, 5)
                .weight("w", 3, 2, 3, 3);
        if (opset == 10) {
          foreign.node(
              "Pad",
              "x -> p",
              text("mode", mode),
              integers("pads", 0, 0, 1, 2, 0, 0, 3, 4),
              real("value", 0.5f));
        } else if (opset < 18) {
          foreign
              .whole("pads", 0, 0, 1, 2, 0, 0, 3, 4)
              .weight("value")
              .node("Pad", "x pads value -> p", text("mode", mode));
        } else {
          foreign
              .whole("pads", 2, 1, 4, 3)
              .whole("axes", -1, 2)
              .node("Pad", "x pads _ axes -> p", text("mode", mode));
        }
        foreign.node("Conv", "p w -> y").output("y", 0, 3, 6, 9);
        RoundTrip.check(
            folder,
            foreign,
            model -> {
              assertEquals(List.of("w"), RoundTrip.names(model));
              assertEquals(List.of(), model.notes());
            });
      }
    }
  }

  @Test
  void gemmInItsForms() {
    for (int transB = 0; transB <= 1; transB++) {
      for (int form = 0; form < 5; form++) {
        Foreign foreign = new Foreign(form).input("x", 0, 5);
        foreign.weight("w", transB == 1 ? new long[] {4, 5} : new long[] {5, 4});
        switch (form) {
          case 0 -> foreign.weight("c", 4);
          case 1 -> foreign.weight("c", 1, 4);
          case 2 -> foreign.weight("c");
          case 3 -> foreign.weight("c", 1);
          default -> {}
        }
        float alpha = form == 1 ? 1 : 0.7f;
        float beta = form == 1 ? 1 : -1.5f;
        foreign
            .node(
                "Gemm",
                form == 4 ? "x w -> y" : "x w c -> y",
                integer("transB", transB),
                real("alpha", alpha),
                real("beta", beta))
            .output("y", 0, 4);
        boolean asWritten = form == 1;
        RoundTrip.check(folder, foreign, model -> assertEquals(asWritten, model.notes().isEmpty()));
      }
    }
  }

  @Test
  void aZeroBetaIsNoBias() {
    RoundTrip.check(
        folder,
        new Foreign(3)
            .input("x", 0, 5)
            .weight("w", 5, 4)
            .weight("c", 4)
            .node("Gemm", "x w c -> y", real("beta", 0))
            .output("y", 0, 4),
        model -> assertEquals(List.of("w"), RoundTrip.names(model)));
  }

  /** Format version 3: initialisers are inputs too. A fixed batch size, nodes without names. */
  @Test
  void initialisersThatAreInputsToo() {
    Foreign foreign =
        new Foreign(5)
            .versions(9, 3)
            .input("x", 2, 2, 4, 4)
            .weight("w", 3, 2, 2, 2)
            .input("w", 3, 2, 2, 2)
            .positive("scale", 3)
            .weight("shift", 3)
            .weight("mean", 3)
            .positive("variance", 3)
            .weight("v", 27, 3)
            .whole("shape", 2, 27)
            .node("Conv", "x w -> y", integers("kernel_shape", 2, 2))
            .node(
                "BatchNormalization",
                "y scale shift mean variance -> n",
                real("epsilon", 0.01f),
                real("momentum", 0.8f))
            .node("Dropout", "n -> d", real("ratio", 0.25f))
            .node("Reshape", "d shape -> f")
            .node("MatMul", "f v -> out")
            .output("out", 2, 3);
    for (String name : List.of("scale", "shift", "mean", "variance")) {
      foreign.input(name, 3);
    }
    foreign.input("v", 27, 3);
    foreign
        .graph()
        .addInput(
            ValueInfoProto.newBuilder(Foreign.value("shape", 2)).clearType().setType(wholeType()));
    foreign.graph().getNodeBuilderList().forEach(node -> node.clearName());
    RoundTrip.check(
        folder,
        foreign,
        model -> {
          assertEquals(
              Set.of("w", "scale", "shift", "mean", "variance", "v"),
              new TreeSet<>(RoundTrip.names(model)));
          Layer.BatchNorm2d norm =
              (Layer.BatchNorm2d) model.model().network().nodes().get(2).layer();
          assertEquals(0.01f, norm.epsilon());
          assertEquals(0.2f, norm.momentum());
          assertEquals(new Layer.Dropout(0.25), model.model().network().nodes().get(3).layer());
          assertTrue(model.notes().getFirst().contains("batch size is 2"), "" + model.notes());
        });
  }

  private static TypeProto wholeType() {
    TypeProto.Builder type = Foreign.value("shape", 2).getType().toBuilder();
    type.getTensorTypeBuilder().setElemType(TensorProto.DataType.INT64_VALUE);
    return type.build();
  }

  @Test
  void aBiasAddedToAConvolution() {
    RoundTrip.check(
        folder,
        new Foreign(9)
            .input("x", 0, 2, 4, 4)
            .weight("w", 3, 2, 1, 1)
            .weight("b", 1, 3, 1, 1)
            .weight("v", 3, 3, 1, 1)
            .weight("c", 3, 1, 1)
            .node("Conv", "x w -> a")
            .node("Add", "a b -> d")
            .node("Conv", "d v -> e")
            .node("Add", "c e -> f")
            .output("f", 0, 3, 4, 4),
        model -> {
          assertEquals(List.of("w", "b", "v", "c"), RoundTrip.names(model));
          assertEquals(Shape.of(3), RoundTrip.named(model, "b").shape());
          assertEquals(2, model.notes().size());
        });
  }

  @Test
  void imagesTransposedBeforeTheyAreFlattened() {
    RoundTrip.check(
        folder,
        new Foreign(10)
            .input("x", 0, 3, 4, 5)
            .weight("w", 60, 7)
            .node("Transpose", "x -> t", integers("perm", 0, 2, 3, 1))
            .node("Flatten", "t -> f")
            .node("MatMul", "f w -> y")
            .node("LogSoftmax", "y -> z", integer("axis", -1))
            .output("z", 0, 7),
        model -> {
          assertEquals(Ending.LOG_SOFTMAX, model.ending());
          assertEquals(Shape.of(7, 1, 1, 60), RoundTrip.named(model, "w").view());
        });
  }

  @Test
  void whatTheOutputDoesNotNeedIsIgnored() {
    RoundTrip.check(
        folder,
        new Foreign(11)
            .input("x", 0, 5)
            .weight("w", 5, 4)
            .weight("unused", 2, 2)
            .node("Gemm", "x w -> y")
            .node("Sin", "y -> s")
            .output("y", 0, 4),
        model -> assertEquals(List.of("w"), RoundTrip.names(model)));
  }

  @Test
  void doublesAreRounded() {
    Foreign foreign = new Foreign(12).input("x", 0, 2).output("y", 0, 2);
    List<Double> values = List.of(0.1, 0.2, 1e-50, -3.0);
    foreign
        .graph()
        .addInitializer(
            TensorProto.newBuilder()
                .setName("w")
                .setDataType(TensorProto.DataType.DOUBLE_VALUE)
                .addDims(2)
                .addDims(2)
                .addAllDoubleData(values));
    foreign.node("Gemm", "x w -> y", integer("transB", 1));
    try (OnnxModel model = OnnxReader.read(foreign.write(folder))) {
      List<Float> found = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        found.add(model.model().parameters().flat().get(i));
      }
      assertEquals(values.stream().map(Double::floatValue).toList(), found);
      assertTrue(model.notes().getFirst().contains("double"), "" + model.notes());
    }
  }

  @Test
  void maxPoolingThatRoundsUpWithoutEffect() {
    RoundTrip.check(
        folder,
        new Foreign(13)
            .input("x", 0, 2, 6, 8)
            .node(
                "MaxPool",
                "x -> y",
                integers("kernel_shape", 2, 2),
                integers("strides", 2, 2),
                integer("ceil_mode", 1),
                integer("storage_order", 0))
            .output("y", 0, 2, 3, 4),
        model -> assertEquals(List.of(), RoundTrip.names(model)));
  }

  @Test
  void dropoutOfNewerOperatorSets() {
    TensorProto.Builder off =
        TensorProto.newBuilder().setDataType(TensorProto.DataType.BOOL_VALUE).addInt32Data(0);
    TensorProto.Builder ratio =
        TensorProto.newBuilder().setDataType(TensorProto.DataType.FLOAT_VALUE).addFloatData(0.3f);
    RoundTrip.check(
        folder,
        new Foreign(14)
            .input("x", 0, 3)
            .weight("w", 2, 3)
            .node("Constant", " -> off", tensorAttribute(off))
            .node("Constant", " -> ratio", tensorAttribute(ratio))
            .node("Dropout", "x ratio off -> a mask")
            .node("Dropout", "a -> b")
            .node("Dropout", "b _ off -> c")
            .node("Gemm", "c w -> y", integer("transB", 1))
            .output("y", 0, 2),
        model -> {
          assertEquals(new Layer.Dropout(0.3), model.model().network().nodes().get(1).layer());
          assertEquals(new Layer.Dropout(0.5), model.model().network().nodes().get(2).layer());
        });
  }

  @Test
  void normalisedVectorsOfAWideImage() {
    RoundTrip.check(
        folder,
        new Foreign(15)
            .input("x", 0, 3, 2, 4)
            .positive("g", 24)
            .weight("h", 24)
            .weight("m", 24)
            .positive("v", 24)
            .weight("w", 24, 3)
            .node("Flatten", "x -> f")
            .node("BatchNormalization", "f g h m v -> n")
            .node("Relu", "n -> r")
            .node("MatMul", "r w -> y")
            .output("y", 0, 3),
        model -> assertEquals(Shape.of(1, 2, 4, 3), RoundTrip.named(model, "g").view()));
  }
}
