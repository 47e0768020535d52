package io.nepenthe.onnx;

import static io.nepenthe.onnx.Foreign.integers;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.onnx.schema.StringStringEntryProto;
import io.nepenthe.onnx.schema.TensorProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights in files beside the model's, as PyTorch writes them. */
class ExternalDataTest {
  @TempDir private Path folder;

  private static Foreign model() {
    return new Foreign(7)
        .input("x", 0, 2, 4, 4)
        .weight("w", 3, 2, 3, 3)
        .weight("k", 48, 5)
        .weight("b", 5)
        .node("Conv", "x w -> a", integers("pads", 1, 1, 1, 1))
        .node("Flatten", "a -> f")
        .node("Gemm", "f k b -> y")
        .output("y", 0, 5);
  }

  private static void entry(TensorProto.Builder tensor, String key, Object value) {
    tensor.addExternalData(
        StringStringEntryProto.newBuilder().setKey(key).setValue(value.toString()));
  }

  /** Moves every initialiser to the end of a file, 64 bytes after the one before. */
  private Foreign moved(String name) throws IOException {
    Foreign foreign = model();
    ByteBuffer all = ByteBuffer.allocate(1 << 14).order(ByteOrder.LITTLE_ENDIAN);
    for (TensorProto.Builder tensor : foreign.graph().getInitializerBuilderList()) {
      all.position(all.position() + 64);
      entry(tensor, "location", name);
      entry(tensor, "offset", all.position());
      entry(tensor, "length", 4 * tensor.getFloatDataCount());
      tensor.getFloatDataList().forEach(all::putFloat);
      tensor.clearFloatData().setDataLocation(TensorProto.DataLocation.EXTERNAL);
    }
    byte[] bytes = new byte[all.flip().remaining()];
    all.get(bytes);
    Files.createDirectories(folder.resolve(name).getParent());
    Files.write(folder.resolve(name), bytes);
    return foreign;
  }

  @Test
  void weightsBesideTheModelAreThoseInsideIt() throws IOException {
    for (String name : List.of("model.onnx.data", "weights/all.bin")) {
      Path file = moved(name).write(folder);
      Path inside = model().write(Files.createDirectories(folder.resolve("inside")));
      try (OnnxModel expected = OnnxReader.read(inside);
          OnnxModel found = OnnxReader.read(file)) {
        assertEquals(List.of(folder.resolve(name)), found.files());
        assertEquals(List.of(), expected.files());
        for (long i = 0; i < expected.model().parameters().count(); i++) {
          assertEquals(
              expected.model().parameters().flat().get(i),
              found.model().parameters().flat().get(i),
              name + " " + i);
        }
        Oracle.assertAgree(found, file, 3, 1);
        // What is written has them inside, and needs no other file.
        Path again = folder.resolve("again.onnx");
        OnnxWriter.write(found, again);
        try (OnnxModel read = OnnxReader.read(again)) {
          assertEquals(List.of(), read.files());
        }
      }
    }
  }

  private void refused(Foreign foreign, String words) {
    Path file = foreign.write(folder);
    OnnxException e = assertThrows(OnnxException.class, () -> OnnxReader.read(file).close());
    assertTrue(e.getMessage().startsWith(file + ": tensor \"w\": expected "), e.getMessage());
    assertTrue(e.getMessage().contains(words), e.getMessage());
  }

  /** The model with another location of its first tensor. */
  private Foreign at(String location) throws IOException {
    Foreign foreign = moved("data");
    TensorProto.Builder first = foreign.graph().getInitializerBuilder(0);
    first.setExternalData(0, first.getExternalData(0).toBuilder().setValue(location));
    return foreign;
  }

  /** The model with another entry of its first tensor. */
  private Foreign with(int entry, String value) throws IOException {
    Foreign foreign = moved("data");
    TensorProto.Builder first = foreign.graph().getInitializerBuilder(0);
    first.setExternalData(entry, first.getExternalData(entry).toBuilder().setValue(value));
    return foreign;
  }

  @Test
  void otherFilesAreNotRead() throws IOException {
    Path outside = Files.createTempFile("outside", ".bin");
    Files.write(outside, new byte[1 << 14]);
    Files.createSymbolicLink(folder.resolve("link"), outside);
    Files.createDirectories(folder.resolve("sub"));
    refused(at(outside.toString()), "values in a file of the model's folder");
    refused(at("../" + outside.getFileName()), "values in a file of the model's folder");
    refused(at("link"), "a link");
    refused(at("sub"), "which is no file");
    refused(at(""), "values in a file of the model's folder");
    refused(at("\0"), "values in a file of the model's folder");
    refused(at("none"), "no such file");
    Files.delete(outside);
  }

  @Test
  void damageIsRefused() throws IOException {
    refused(with(1, "1000000"), "216 bytes from byte 1000000 of \"data\"");
    refused(with(1, "-1"), "a whole number as the offset");
    refused(with(1, "9223372036854775807"), "216 bytes from byte");
    refused(with(1, "much"), "a whole number as the offset");
    refused(with(2, "212"), "216 bytes of values, found 212 bytes");
    Foreign huge = moved("data");
    huge.graph()
        .getInitializerBuilder(0)
        .setDataType(TensorProto.DataType.DOUBLE_VALUE)
        .setDims(0, 1L << 55)
        .setDims(1, 6);
    refused(huge, "found " + 54 * (1L << 55) + " values of 8 bytes");
    Foreign twice = moved("data");
    entry(twice.graph().getInitializerBuilder(0), "location", "other");
    refused(twice, "one location");
    Foreign both = moved("data");
    both.graph().getInitializerBuilder(0).addFloatData(1);
    refused(both, "values in one place");
    Foreign nowhere = moved("data");
    nowhere.graph().getInitializerBuilder(0).removeExternalData(0);
    refused(nowhere, "the location of its values");
  }
}
