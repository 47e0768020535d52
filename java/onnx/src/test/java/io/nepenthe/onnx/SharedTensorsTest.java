package io.nepenthe.onnx;

import static io.nepenthe.onnx.Foreign.integer;
import static io.nepenthe.onnx.Foreign.integers;
import static io.nepenthe.onnx.Foreign.real;
import static io.nepenthe.onnx.Foreign.tensorAttribute;
import static io.nepenthe.onnx.Foreign.wholeTensor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.onnx.schema.AttributeProto;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Initialisers that several nodes use, and constants that are no initialisers. */
class SharedTensorsTest {
  @TempDir private Path folder;

  /** PyTorch gives equal initialisers one name and reads the others through Identity. */
  @Test
  void constantsThroughIdentityAndConstantNodes() {
    Foreign foreign = new Foreign(6).input("x", 0, 3, 6, 6).weight("conv1.weight", 3, 3, 3, 3);
    RoundTrip.check(
        folder,
        foreign
            .node("Identity", "conv1.weight -> conv2.weight")
            .node("Constant", " -> k", tensorAttribute(foreign.tensor("", -1, 1, 4, 48)))
            .node("Constant", " -> bias", floats("value_floats", 0.1f, 0.2f, -0.3f, 0.4f))
            .node("Constant", " -> shape", tensorAttribute(wholeTensor(-1, 48)))
            .node("Identity", "x -> start")
            .node("Conv", "start conv1.weight -> a", integers("pads", 1, 1, 1, 1))
            .node("Relu", "a -> b")
            .node("Conv", "b conv2.weight -> c")
            .node("Reshape", "c shape -> d")
            .node("Gemm", "d k bias -> e", integer("transB", 1))
            .node("Identity", "e -> y")
            .output("y", 0, 4),
        model -> {
          // Other paddings, so not one layer used twice: a copy under the name that Identity gave.
          assertEquals(
              List.of("conv1.weight", "conv2.weight", "k", "bias"), RoundTrip.names(model));
          assertEquals("conv1.weight", model.model().parameters().all().get(0).spec().name());
          assertTrue(model.notes().getFirst().contains("\"conv1.weight\" is shared"));
        });
  }

  private static AttributeProto floats(String name, float... values) {
    AttributeProto.Builder attribute =
        AttributeProto.newBuilder().setName(name).setType(AttributeProto.AttributeType.FLOATS);
    for (float value : values) {
      attribute.addFloats(value);
    }
    return attribute.build();
  }

  @Test
  void sharedInitialisersAreTiedLayers() {
    RoundTrip.check(
        folder,
        new Foreign(7)
            .input("x", 0, 2, 5, 5)
            .weight("w", 2, 2, 3, 3)
            .weight("b", 2)
            .node("Conv", "x w b -> a", integers("pads", 1, 1, 1, 1))
            .node("Celu", "a -> c", real("alpha", 0.3f))
            .node("Conv", "c w b -> d", integers("pads", 1, 1, 1, 1))
            .node("Add", "d x -> e")
            .node("Add", "e e -> f")
            .output("f", 0, 2, 5, 5),
        model -> {
          assertEquals(List.of("w", "b"), RoundTrip.names(model));
          assertEquals(2, model.model().layers().get(0).uses());
          assertEquals(List.of(), model.notes());
        });
  }

  /** A fresh network whose zeros were made one tensor, within one layer and across two. */
  @Test
  void sharedNormalisationTensorsAreCopied() {
    RoundTrip.check(
        folder,
        new Foreign(8)
            .input("x", 0, 3, 4, 4)
            .weight("zeros", 3)
            .positive("ones", 3)
            .weight("zeros_2", 3, 3, 1, 1)
            .node("BatchNormalization", "x ones zeros zeros ones -> a")
            .node("Conv", "a zeros_2 -> b")
            .node("BatchNormalization", "b ones zeros zeros ones -> c", real("epsilon", 0.5f))
            .output("c", 0, 3, 4, 4),
        model -> {
          assertEquals(9, Set.copyOf(RoundTrip.names(model)).size());
          assertEquals(6, model.notes().size());
        });
  }
}
