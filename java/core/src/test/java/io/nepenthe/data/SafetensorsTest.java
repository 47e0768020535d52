package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
  @TempDir private Path folder;

  private static SequencedMap<String, Tensor> tensors(Arena arena) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    Tensor weights = Tensor.zeros(arena, 4, 3, 2, 5);
    for (long i = 0; i < weights.elements(); i++) {
      weights.set(i, i * 0.25f - 7);
    }
    tensors.put("z.weight", weights);
    tensors.put("empty", Tensor.zeros(arena, 3, 0));
    tensors.put("scalar", Tensor.copyOf(arena, Shape.of(), Float.NaN));
    tensors.put("a \"name\" → with\nmore", Tensor.copyOf(arena, Shape.of(2), -0f, 1e-45f));
    return tensors;
  }

  @Test
  void whatWasWrittenIsReadBitForBit() {
    Path file = folder.resolve("deep/er/x.safetensors");
    Map<String, String> metadata = Map.of("b", "2", "a", "one\n\"é\"");
    try (Arena arena = Arena.ofConfined()) {
      SequencedMap<String, Tensor> tensors = tensors(arena);
      Safetensors.write(file, metadata, tensors);
      Safetensors.Contents contents = Safetensors.read(file, arena);
      assertEquals(metadata, contents.metadata());
      assertEquals(List.copyOf(tensors.keySet()), List.copyOf(contents.tensors().keySet()));
      tensors.forEach(
          (name, tensor) -> {
            assertEquals(tensor.shape(), contents.tensor(name).shape());
            assertEquals(-1, tensor.segment().mismatch(contents.tensor(name).segment()));
          });
      assertThrows(IllegalArgumentException.class, () -> contents.tensor("other"));
    }
  }

  @Test
  void theBytesAreThoseOfTheFormat() throws IOException {
    Path file = folder.resolve("x");
    try (Arena arena = Arena.ofConfined()) {
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("w", Tensor.copyOf(arena, Shape.of(1, 2), 1f, -2f));
      tensors.put("b", Tensor.copyOf(arena, Shape.of(1), 0.5f));
      Safetensors.write(file, Map.of("y", "2", "x", "1"), tensors);
    }
    String json =
        "{\"__metadata__\":{\"x\":\"1\",\"y\":\"2\"},"
            + "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    int padded = Math.ceilDiv(8 + json.length(), 64) * 64 - 8;
    ByteBuffer expected = ByteBuffer.allocate(8 + padded + 12).order(ByteOrder.LITTLE_ENDIAN);
    expected.putLong(padded).put((json + " ".repeat(padded - json.length())).getBytes());
    expected.putFloat(1).putFloat(-2).putFloat(0.5f);
    assertArrayEquals(expected.array(), Files.readAllBytes(file));
  }

  @Test
  void tensorsMayLieInAnotherOrderThanTheHeaders() throws IOException {
    String json =
        "{\"b\":{\"shape\":[1],\"data_offsets\":[4,8],\"dtype\":\"F32\"},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}";
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents contents = Safetensors.read(file(json, 1f, 2f), arena);
      assertEquals(List.of("b", "a"), List.copyOf(contents.tensors().keySet()));
      assertEquals(1f, contents.tensor("a").get(0));
      assertEquals(2f, contents.tensor("b").get(0));
      assertTrue(contents.metadata().isEmpty());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "[1,2] | header that begins with {",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | 4 bytes of values",
        "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}} | type \"F16\"",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | 12 bytes for shape [3]",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}} | without gap",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | overlap",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | Duplicate",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
            + " | Duplicate",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | found -2",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}} | whole numbers",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}} | found more",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}} | two data_offsets",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}} | two data_offsets",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}} | found \"x\"",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}"
            + " | 2^61",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}"
            + " | in JSON",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}"
            + " | at most 8 numbers",
        "{\"__metadata__\":{\"x\":1}} | a text for \"x\"",
        "{\"a\":[]} | an object for \"a\"",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} {} | nothing after",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]} | in JSON",
        "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{}}}}}} | found \"b\"",
      })
  void lyingHeadersAreRefusedInWords(String json, String words) throws IOException {
    Path file = file(json, 1f, 2f);
    try (Arena arena = Arena.ofConfined()) {
      DataException e = assertThrows(DataException.class, () -> Safetensors.read(file, arena));
      assertTrue(e.getMessage().contains(words), e.getMessage());
      assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    }
  }

  @Test
  void otherFilesAreRefusedInWords() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      Path none = folder.resolve("none");
      refused(none, "no such file", arena);
      refused(folder, "a folder", arena);
      refused(Files.write(folder.resolve("0"), new byte[0]), "the end after 0 bytes", arena);
      refused(Files.write(folder.resolve("7"), new byte[7]), "the end after 7 bytes", arena);
      refused(Files.write(folder.resolve("8"), new byte[8]), "2 to 0 bytes", arena);
      byte[] huge = new byte[64];
      Arrays.fill(huge, 0, 8, (byte) 0xff);
      refused(Files.write(folder.resolve("h"), huge), "found 18446744073709551615", arena);
      byte[] latin = "........{\"\u00e9\":1}".getBytes(StandardCharsets.ISO_8859_1);
      ByteBuffer.wrap(latin).order(ByteOrder.LITTLE_ENDIAN).putLong(0, latin.length - 8);
      refused(Files.write(folder.resolve("l"), latin), "in JSON", arena);
    }
  }

  private static void refused(Path file, String words, Arena arena) {
    DataException e = assertThrows(DataException.class, () -> Safetensors.read(file, arena));
    assertTrue(e.getMessage().contains(words), e.getMessage());
  }

  @Test
  void impossibleNamesAreNotWritten() throws IOException {
    Path file = folder.resolve("x");
    try (Arena arena = Arena.ofConfined()) {
      for (String name : List.of("__metadata__", "x".repeat(5000), "\ud800")) {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put(name, Tensor.zeros(arena, 1));
        assertThrows(
            IllegalArgumentException.class, () -> Safetensors.write(file, Map.of(), tensors));
      }
    }
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void damagedFilesAreRefusedOrConsistent() throws IOException {
    Path file = folder.resolve("x");
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.write(file, Map.of("seed", "1", "batches", "20"), tensors(arena));
    }
    byte[] intact = Files.readAllBytes(file);
    Random64 random = new Random64(2026, 7);
    int refused = 0;
    for (int n = 0; n < 600; n++) {
      byte[] damaged = HostileInputTest.mutate(intact, random);
      Files.write(file, damaged);
      try (Arena arena = Arena.ofConfined()) {
        long bytes =
            Safetensors.read(file, arena).tensors().values().stream()
                .mapToLong(t -> t.shape().bytes())
                .sum();
        assertTrue(bytes <= damaged.length, "mutation " + n);
      } catch (DataException e) {
        refused++;
        String message = e.getMessage();
        assertTrue(message.contains("expected") && message.contains("found"), message);
        assertTrue(message.startsWith(file.toString()), message);
        assertFalse(message.contains("\n"), message);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("mutation " + n + ": " + e, e);
      }
    }
    assertTrue(refused > 200, "only " + refused + " refused");
  }

  private Path file(String json, float... values) throws IOException {
    byte[] header = json.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(8 + header.length + 4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(header.length).put(header);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return Files.write(folder.resolve("made"), bytes.array());
  }
}
