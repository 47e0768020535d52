package io.nepenthe.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * The networks that come with the library, out and in: ONNX Runtime predicts what the engine does.
 */
class ArchitecturesTest {
  private static final Extent SMALL = Extent.image(32, 32, 3);

  @TempDir private Path folder;

  private static Map<String, Network> networks() {
    Map<String, Network> networks = new TreeMap<>();
    networks.put("mlp", Architectures.mlp(Extent.image(28, 28, 1), 10, 64, 32));
    networks.put("mlp of colours", Architectures.mlp(Extent.image(8, 7, 3), 4, 20));
    networks.put("mlp of vectors", Architectures.mlp(Extent.vector(30), 3, 8));
    networks.put("lenet", Architectures.lenet(Extent.image(28, 28, 1), 10));
    networks.put("lenet of colours", Architectures.lenet(SMALL, 10));
    networks.put("resnet9", Architectures.resnet9(SMALL, 10, 16));
    networks.put(
        "resnet9 with celu", Architectures.resnet9(SMALL, 10, 16, new Layer.Celu(0.075f), false));
    networks.put("resnet18", Architectures.resnet18(SMALL, 10, 16));
    networks.put("resnet18 of full width", Architectures.resnet18(SMALL, 20));
    return networks;
  }

  @TestFactory
  Stream<DynamicTest> agree() {
    return networks().entrySet().stream()
        .map(e -> dynamicTest(e.getKey(), () -> check(e.getValue())));
  }

  private void check(Network network) throws IOException {
    Path file = folder.resolve("x.onnx");
    Path again = folder.resolve("again.onnx");
    try (Model model = Networks.model(network, 5)) {
      OnnxWriter.write(model, file);
      Oracle.assertAgree(OnnxModel.of(model), file, 2, 6);
      try (OnnxModel read = OnnxReader.read(file)) {
        assertEquals(network, read.model().network());
        ExportTest.assertSame(model.parameters(), read.model().parameters());
        ExportTest.assertSame(model.buffers(), read.model().buffers());
        assertEquals(List.of(), read.notes());
        OnnxWriter.write(read, again);
      }
    }
    assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again));
  }
}
