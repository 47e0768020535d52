package io.nepenthe.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.onnx.schema.ValueInfoProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** What every foreign file must go through. */
final class RoundTrip {
  private RoundTrip() {}

  /** Reads, compares with the oracle, writes, compares again; names and values must survive. */
  static void check(Path folder, Foreign foreign, Consumer<OnnxModel> more) {
    Path file = foreign.write(folder);
    Path again = folder.resolve("again.onnx");
    Path third = folder.resolve("third.onnx");
    try (OnnxModel model = OnnxReader.read(file)) {
      Oracle.assertAgree(model, file, batch(foreign), 11);
      more.accept(model);
      OnnxWriter.write(model, again);
      Oracle.assertAgree(model, again, batch(foreign), 12);
      try (OnnxModel read = OnnxReader.read(again)) {
        ExportTest.assertSame(model.model().parameters(), read.model().parameters());
        ExportTest.assertSame(model.model().buffers(), read.model().buffers());
        assertEquals(model.initialisers(), read.initialisers());
        assertEquals(model.input(), read.input());
        assertEquals(model.output(), read.output());
        assertEquals(model.ending(), read.ending());
        OnnxWriter.write(read, third);
        assertArrayEquals(Files.readAllBytes(again), Files.readAllBytes(third));
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  private static int batch(Foreign foreign) {
    ValueInfoProto input = foreign.graph().getInput(0);
    long batch = input.getType().getTensorType().getShape().getDim(0).getDimValue();
    return batch > 0 ? (int) batch : 3;
  }

  static List<String> names(OnnxModel model) {
    return model.initialisers().values().stream().map(Initialiser::name).toList();
  }

  static Initialiser named(OnnxModel model, String name) {
    return model.initialisers().values().stream()
        .filter(i -> i.name().equals(name))
        .findFirst()
        .orElseThrow();
  }
}
