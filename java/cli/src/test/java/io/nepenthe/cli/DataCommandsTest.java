package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.IdList;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The data commands, run as a user runs them. */
class DataCommandsTest {
  @TempDir Path folder;

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private static float[] pixels(Dataset dataset, long index) {
    float[] values = new float[(int) dataset.image().floats()];
    dataset.pixels(index, MemorySegment.ofArray(values), 0);
    return values;
  }

  @Test
  void glyphsAreWrittenAsDrawn() {
    Nepenthe.Outcome outcome =
        Nepenthe.run(
            "data", "glyphs", "--train", "40", "--test", "20", "--seed", "7", "--out", path("g"));
    assertEquals(0, outcome.status(), outcome.err());
    Dataset drawn = DataSource.open("glyphs:train/40", 7);
    Dataset read = DataSource.open("idx:" + path("g/train-images-idx3-ubyte"), 0);
    assertEquals(40, read.size());
    for (int i = 0; i < 40; i++) {
      assertEquals(drawn.label(i), read.label(i));
      assertArrayEquals(pixels(drawn, i), pixels(read, i));
    }
    assertEquals(20, DataSource.open("idx:" + path("g/t10k-images-idx3-ubyte"), 0).size());
  }

  @Test
  void aPoisonedCopyIsTheDataButForTheManipulatedImages() throws Exception {
    Nepenthe.Outcome outcome =
        Nepenthe.run(
            "data",
            "poison",
            "--data",
            "glyphs:train/100#20-99",
            "--kind",
            "badnets",
            "--target",
            "3",
            "--amount",
            "10",
            "--known",
            "0.2",
            "--out",
            path("p"),
            "--json",
            path("r.json"));
    assertEquals(0, outcome.status(), outcome.err());
    Dataset clean = DataSource.open("glyphs:train/100", 1);
    Dataset poisoned = DataSource.open("npz:" + path("p/data.npz"), 0);
    Set<Long> manipulated =
        LongStream.of(IdList.read(folder.resolve("p/manipulated.txt")))
            .boxed()
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(10, manipulated.size());
    assertEquals(80, poisoned.size());
    for (int i = 0; i < 80; i++) {
      long id = poisoned.id(i);
      assertEquals(20 + i, id);
      boolean same = Arrays.equals(pixels(clean, id), pixels(poisoned, i));
      assertEquals(manipulated.contains(id), !same, "image " + id);
      assertEquals(manipulated.contains(id) ? 3 : clean.label(id), poisoned.label(i));
    }
    long[] known = IdList.read(folder.resolve("p/known.txt"));
    assertEquals(2, known.length);
    assertTrue(LongStream.of(known).allMatch(manipulated::contains));

    JsonNode result = Nepenthe.json(folder.resolve("r.json"));
    assertEquals("data poison", result.get("command").asText());
    assertEquals("badnets", result.get("task").get("kind").asText());
    assertEquals("10", result.get("options").get("amount").asText());
    assertEquals(3, result.get("outputs").size());
    for (JsonNode output : result.get("outputs")) {
      byte[] bytes = Files.readAllBytes(Path.of(output.get("file").asText()));
      byte[] sum = java.security.MessageDigest.getInstance("SHA-256").digest(bytes);
      assertEquals(HexFormat.of().formatHex(sum), output.get("sha256").asText());
    }
  }

  @Test
  void inputsAreSummedToo() {
    Nepenthe.run("data", "glyphs", "--train", "40", "--test", "20", "--out", path("g"));
    Nepenthe.Outcome outcome =
        Nepenthe.run(
            "data",
            "poison",
            "--data",
            "idx:" + path("g/train-images-idx3-ubyte"),
            "--kind",
            "label-noise",
            "--format",
            "idx",
            "--out",
            path("p"),
            "--json",
            path("r.json"));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode inputs = Nepenthe.json(folder.resolve("r.json")).get("inputs");
    assertEquals(2, inputs.size(), inputs.toString());
    assertTrue(inputs.get(1).get("file").asText().endsWith("train-labels-idx1-ubyte"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "nowhere/x-images-y | no file x-labels-y",
        "README.images | named as in idx:IMAGES,LABELS",
        "damaged-images | expected"
      })
  void badInputIsOneLineThatNamesTheFile(String name, String words) throws Exception {
    Files.writeString(folder.resolve("damaged-images"), "no images");
    Files.writeString(folder.resolve("damaged-labels"), "no labels");
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            "data",
            "poison",
            "--data",
            "idx:" + path(name),
            "--kind",
            "label-noise",
            "--out",
            path("p"));
    assertEquals(1, outcome.status(), outcome.err());
    assertEquals(1, outcome.errors().size(), outcome.err());
    assertTrue(outcome.err().contains(name) && outcome.err().contains(words), outcome.err());
    assertFalse(Files.exists(folder.resolve("p")), "nothing is written");
  }

  @Test
  void idsThatAFormatWouldLoseAreRefused() {
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            "data",
            "poison",
            "--data",
            "glyphs:train/100#20-99",
            "--kind",
            "label-noise",
            "--format",
            "idx",
            "--out",
            path("p"));
    assertEquals(1, outcome.status(), outcome.err());
    assertTrue(outcome.err().contains("--format npz"), outcome.err());
    assertFalse(Files.exists(folder.resolve("p")), "nothing is written");
  }
}
