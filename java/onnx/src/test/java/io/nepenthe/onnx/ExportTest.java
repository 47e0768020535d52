package io.nepenthe.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.nepenthe.data.DataException;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Files that this library wrote, read by ONNX Runtime and by itself. */
class ExportTest {
  @TempDir private Path folder;

  @TestFactory
  Stream<DynamicTest> randomNetworks() {
    // In network 53 every ReLU is dead: a comparison of zeros.
    return LongStream.range(0, 61)
        .filter(seed -> seed != 53)
        .mapToObj(seed -> dynamicTest("seed " + seed, () -> check(Networks.random(seed), seed)));
  }

  /** Out, compared with the oracle; in again, and out again. */
  private void check(Network network, long seed) throws IOException {
    Path file = folder.resolve(seed + ".onnx");
    Path again = folder.resolve(seed + "-again.onnx");
    try (Model model = Networks.model(network, seed)) {
      OnnxWriter.write(model, file);
      Oracle.assertAgree(OnnxModel.of(model), file, 3, seed);
      try (OnnxModel read = OnnxReader.read(file)) {
        assertEquals(network.toString(), read.model().network().toString());
        assertEquals(network, read.model().network());
        assertSame(model.parameters(), read.model().parameters());
        assertSame(model.buffers(), read.model().buffers());
        assertEquals(OnnxModel.of(model).initialisers(), read.initialisers(), "names and layouts");
        assertEquals(List.of(), read.notes());
        OnnxWriter.write(read, again);
        assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again));
      }
    }
  }

  static void assertSame(Parameters expected, Parameters found) {
    assertEquals(expected.specs(), found.specs());
    assertEquals(-1, expected.flat().segment().mismatch(found.flat().segment()));
  }

  @Test
  void tiedLayersAreWrittenOnce() throws IOException {
    Window same = Window.square(3).withPadding(1);
    Layer conv = new Layer.Conv2d("shared", 3, 3, same, true);
    Layer norm = new Layer.BatchNorm2d("norm", 3);
    Layer linear = new Layer.Linear("f", 36, 36, false);
    Network network =
        Network.builder(Extent.image(4, 3, 3))
            .then(conv)
            .then(norm)
            .then(new Layer.Relu())
            .then(conv)
            .then(norm)
            .then(new Layer.Flatten())
            .then(linear)
            .build();
    check(network, 100);
    ModelProto proto = ModelProto.parseFrom(Files.readAllBytes(folder.resolve("100.onnx")));
    assertEquals(7, proto.getGraph().getInitializerCount());
  }

  /** The two uses take columns in two orders: only a transposed image serves both. */
  @Test
  void tiedLinearLayersAfterAnImageAndAVector() throws IOException {
    Layer linear = new Layer.Linear("f", 24, 24, true);
    check(
        Network.builder(Extent.image(4, 3, 2))
            .then(new Layer.Flatten())
            .then(linear)
            .then(new Layer.Relu())
            .then(linear)
            .build(),
        101);
  }

  @Test
  void aFlattenedImageAsTheOutput() throws IOException {
    check(
        Network.builder(Extent.image(4, 3, 2))
            .then(new Layer.Conv2d("c", 2, 4, Window.of(2, 1), true))
            .then(new Layer.Flatten())
            .then(new Layer.Celu(0.5f))
            .build(),
        102);
  }

  @Test
  void sumsOfVectorsFlattenedFromDifferentImages() throws IOException {
    Network.Builder builder = Network.builder(Extent.image(4, 4, 2));
    int wide = builder.add(new Layer.Conv2d("a", 2, 4, Window.of(1, 1).withStride(2), true), 0);
    int left = builder.add(new Layer.Flatten(), wide);
    int tall =
        builder.add(new Layer.Conv2d("b", 2, 2, new Window(1, 1, 1, 2, 1, 1, 0, 0, 0, 0), true), 0);
    int right = builder.add(new Layer.Flatten(), tall);
    builder.add(new Layer.Add(), left, right);
    check(builder.then(new Layer.Linear("f", 16, 3, true)).build(), 103);
  }

  @Test
  void padding() throws IOException {
    check(Networks.padded(), 107);
  }

  @Test
  void imagesAsTheOutput() throws IOException {
    check(
        Network.builder(Extent.image(5, 4, 2))
            .then(new Layer.Conv2d("c", 2, 3, Window.square(3).withDilation(1), true))
            .build(),
        104);
    check(Network.builder(Extent.image(5, 4, 2)).then(new Layer.GlobalAveragePool()).build(), 105);
  }

  @Test
  void vectorsAsTheInput() throws IOException {
    check(
        Network.builder(Extent.vector(7))
            .then(new Layer.Flatten())
            .then(new Layer.Linear("a", 7, 6, true))
            .then(new Layer.BatchNorm2d("n", 6, 0.01f, 0.3f))
            .then(new Layer.Linear("b", 6, 3, true))
            .build(),
        106);
  }

  @Test
  void theSoftmaxIsKept() {
    Network network = Networks.random(7);
    for (Ending ending : Ending.values()) {
      Path file = folder.resolve(ending + ".onnx");
      try (OnnxModel model = OnnxModel.of(Networks.model(network, 7)).withEnding(ending)) {
        OnnxWriter.write(model, file);
        try (OnnxModel read = OnnxReader.read(file)) {
          assertEquals(ending, read.ending());
          assertEquals(network, read.model().network());
          Oracle.assertAgree(read, file, 4, 9);
        }
      }
    }
    Network image = Network.builder(Extent.image(2, 2, 2)).then(new Layer.Relu()).build();
    try (OnnxModel model = OnnxModel.of(Model.zeros(image))) {
      assertThrows(IllegalArgumentException.class, () -> model.withEnding(Ending.SOFTMAX));
    }
  }

  @Test
  void metadataSurvive() {
    Path file = folder.resolve("m.onnx");
    Map<String, String> metadata = Map.of("classes", "[\"ä\",\"b\"]", "mean", "0.5 0.5", "a", "");
    try (OnnxModel model = OnnxModel.of(Networks.model(Networks.random(3), 3))) {
      OnnxWriter.write(model.withMetadata(metadata), file);
    }
    try (OnnxModel read = OnnxReader.read(file)) {
      assertEquals("nepenthe", read.metadata().get(OnnxWriter.PRODUCER));
      metadata.forEach((key, value) -> assertEquals(value, read.metadata().get(key)));
      for (String[] producer :
          new String[][] {{"nepenthe 1.2", "nepenthe 1.2"}, {"another", "nepenthe"}}) {
        OnnxWriter.write(read.withMetadata(Map.of(OnnxWriter.PRODUCER, producer[0])), file);
        try (OnnxModel again = OnnxReader.read(file)) {
          assertEquals(producer[1], again.metadata().get(OnnxWriter.PRODUCER));
        }
      }
    }
  }

  @Test
  void theNormalisationGoesWithTheModel() {
    Path file = folder.resolve("n.onnx");
    Normalisation normalisation =
        new Normalisation(new float[] {0.1f, 0.2f}, new float[] {0.3f, 1});
    try (OnnxModel model = OnnxModel.of(Networks.model(Networks.random(3), 3))) {
      assertEquals(Optional.empty(), model.normalisation());
      OnnxWriter.write(
          model.withMetadata(Map.of("kept", "too")).withNormalisation(normalisation), file);
      for (Map<String, String> wrong :
          List.of(
              Map.of("nepenthe.mean", "0.5"),
              Map.of("nepenthe.std", "0.5"),
              Map.of("nepenthe.mean", "0.5", "nepenthe.std", "0"),
              Map.of("nepenthe.mean", "0.5,0.5", "nepenthe.std", "1"),
              Map.of("nepenthe.mean", "a", "nepenthe.std", "1"))) {
        assertThrows(
            IllegalArgumentException.class, () -> model.withMetadata(wrong).normalisation());
      }
    }
    try (OnnxModel read = OnnxReader.read(file)) {
      assertEquals(Optional.of(normalisation), read.normalisation());
      assertEquals("too", read.metadata().get("kept"));
    }
  }

  /** What a statistics file holds must line up with the initialisers, value by value. */
  @Test
  void statisticsLieAsTheInitialisersDo() throws IOException {
    for (long seed = 0; seed < 20; seed++) {
      Path file = folder.resolve("s.onnx");
      try (Arena arena = Arena.ofConfined();
          OnnxModel model = OnnxModel.of(Networks.model(Networks.random(seed), seed))) {
        OnnxWriter.write(model, file);
        SequencedMap<String, Tensor> tensors = model.toOnnx(model.model().parameters(), arena);
        tensors.putAll(model.toOnnx(model.model().buffers(), arena));
        ModelProto proto = ModelProto.parseFrom(Files.readAllBytes(file));
        assertEquals(proto.getGraph().getInitializerCount(), tensors.size());
        for (TensorProto initialiser : proto.getGraph().getInitializerList()) {
          Tensor tensor = tensors.get(initialiser.getName());
          long[] sizes = initialiser.getDimsList().stream().mapToLong(d -> d).toArray();
          assertEquals(Shape.of(sizes), tensor.shape());
          FloatBuffer values =
              initialiser
                  .getRawData()
                  .asReadOnlyByteBuffer()
                  .order(ByteOrder.LITTLE_ENDIAN)
                  .asFloatBuffer();
          for (int i = 0; i < tensor.elements(); i++) {
            assertEquals(values.get(i), tensor.get(i));
          }
        }
        Parameters back = model.model().parameters().zerosLike(arena);
        model.fromOnnx(tensors, back);
        assertSame(model.model().parameters(), back);
        tensors.remove("head.weight");
        assertThrows(IllegalArgumentException.class, () -> model.fromOnnx(tensors, back));
      }
    }
  }

  @Test
  void aModelThatAnOperationMadeKeepsTheNames() {
    try (OnnxModel model = OnnxModel.of(Networks.model(Networks.random(4), 4));
        Model copy = model.model().copy();
        Model other = Model.zeros(Networks.random(5))) {
      copy.parameters().flat().clear();
      assertEquals(model.initialisers(), model.withModel(copy).initialisers());
      assertNotEquals(model.model(), model.withModel(copy).model());
      assertThrows(IllegalArgumentException.class, () -> model.withModel(other));
    }
  }

  @Test
  void whatCannotBeWrittenLeavesNothing() throws IOException {
    Path blocked = Files.createDirectory(folder.resolve("x.onnx"));
    try (Model model = Networks.model(Networks.random(4), 4)) {
      DataException e = assertThrows(DataException.class, () -> OnnxWriter.write(model, blocked));
      assertTrue(e.getMessage().contains("x.onnx"), e.getMessage());
    }
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(List.of(blocked), left.toList());
    }
  }
}
