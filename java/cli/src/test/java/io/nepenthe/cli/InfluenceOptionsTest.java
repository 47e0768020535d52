package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.Safetensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What influences, and detection by them, can be asked for beside the usual. */
class InfluenceOptionsTest {
  private static final String DATA = " --model M --data glyphs:train/130 --quiet ";
  private static final String FACTORS = "factors --fisher true" + DATA + "--out ";
  private static final String INFLUENCE =
      "influence --queries glyphs:test#0-2" + DATA + "--factors F --out ";

  @TempDir static Path shared;
  @TempDir private Path folder;

  private static Nepenthe.Outcome run(String line) {
    return Nepenthe.here(
        line.replace(" M ", " " + shared.resolve("model.onnx") + " ")
            .replaceAll(" F(?= |$)", " " + shared.resolve("factors"))
            .split(" "));
  }

  private static void done(String line) {
    Nepenthe.Outcome outcome = run(line);
    assertEquals(0, outcome.status(), line + ": " + outcome.err());
  }

  private static void refused(String line, String... words) {
    Nepenthe.Outcome outcome = run(line);
    assertEquals(2, outcome.status(), line);
    for (String word : words) {
      assertTrue(outcome.err().contains(word), outcome.err());
    }
  }

  @BeforeAll
  static void prepare() {
    done(
        "train --arch lenet --data glyphs:train/130 --epochs 1 --quiet --out "
            + shared.resolve("model.onnx"));
    done(FACTORS + "F");
  }

  private Path file(String name) {
    return folder.resolve(name);
  }

  private Map<String, float[]> scores(String name) {
    Map<String, float[]> scores = new TreeMap<>();
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.read(file(name), arena)
          .tensors()
          .forEach((key, tensor) -> scores.put(key, tensor.toArray()));
    }
    return scores;
  }

  private static void assertClose(float[] expected, float[] actual) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0);
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], 1e-5 * largest, "score " + i);
    }
  }

  private void assertSame(String one, String other, boolean same) throws IOException {
    assertEquals(same, Files.mismatch(file(one), file(other)) == -1, one + ", " + other);
  }

  @Test
  void queriesAreCutOffAtARank() throws IOException {
    done(INFLUENCE + file("whole.csv"));
    done(INFLUENCE + file("full.csv") + " --query-rank 400");
    done(INFLUENCE + file("one.csv") + " --query-rank 1");
    assertSame("whole.csv", "full.csv", true);
    assertSame("whole.csv", "one.csv", false);
    String stages = " --stages " + file("stages") + " --query-rank ";
    done(INFLUENCE + file("staged.csv") + stages + "1");
    assertSame("one.csv", "staged.csv", true);
    // The queries' file is whole and serves another rank; the scores' does not.
    Nepenthe.Outcome other = run(INFLUENCE + file("two.csv") + stages + "2");
    assertEquals(1, other.status());
    assertTrue(other.err().contains("query_rank = 2"), other.err());
    Files.delete(file("stages/pairwise_scores.safetensors"));
    Nepenthe.Outcome again =
        run((INFLUENCE + file("two.csv") + stages + "2").replace("--quiet ", ""));
    assertTrue(again.out().contains("precondition.safetensors is there: skipped"), again.out());
    refused(INFLUENCE.replace("--queries glyphs:test#0-2 ", "") + "x --query-rank 2", "--queries");
  }

  @Test
  void factorsScaledAsKronfluencesAreAnotherKfac() throws IOException {
    String kfac = " --curvature kfac --kfac-scaling ";
    done(INFLUENCE + file("kfac.csv") + " --curvature kfac");
    done(INFLUENCE + file("kfc.csv") + kfac + "kfc");
    done(INFLUENCE + file("kronfluence.csv") + kfac + "kronfluence");
    assertSame("kfac.csv", "kfc.csv", true);
    assertSame("kfac.csv", "kronfluence.csv", false);
    refused(INFLUENCE + "x --kfac-scaling kronfluence", "--curvature kfac");
    done(INFLUENCE + file("x.csv") + kfac + "kronfluence --stages " + file("stages"));
    Nepenthe.Outcome other =
        run(INFLUENCE + file("x.csv") + kfac + "kfc --stages " + file("stages"));
    assertTrue(other.err().contains("kronfluence scaling"), other.err());
  }

  @Test
  void someLayersCanBeAskedForAlone() {
    done(INFLUENCE + file("all.safetensors") + " --per-layer");
    done(INFLUENCE + file("some.safetensors") + " --per-layer --layers conv*,fc1.weight");
    Map<String, float[]> all = scores("all.safetensors");
    Map<String, float[]> some = scores("some.safetensors");
    assertEquals(4, some.size(), some.keySet() + " of " + all.keySet());
    float[] sum = new float[3 * 130];
    some.forEach(
        (name, values) -> {
          if (!name.equals(ScoreFile.ALL)) {
            assertClose(all.get(name), values);
            for (int i = 0; i < sum.length; i++) {
              sum[i] += values[i];
            }
          }
        });
    assertClose(sum, some.get(ScoreFile.ALL));
    refused(INFLUENCE + "x --layers conv*,nothing", "conv1.weight", "found \"nothing\"");
  }

  @Test
  void factorsOfSomeLayersServeThem() {
    done(FACTORS + file("factors") + " --layers conv2*");
    String read = INFLUENCE.replace(" F ", " " + file("factors") + " ");
    done(read + file("read.safetensors"));
    done(INFLUENCE + file("cut.safetensors") + " --layers conv2.weight");
    assertClose(
        scores("cut.safetensors").get(ScoreFile.ALL),
        scores("read.safetensors").get(ScoreFile.ALL));
    Nepenthe.Outcome other = run(FACTORS + file("factors") + " --layers conv1*");
    assertEquals(1, other.status());
    assertTrue(other.err().contains("covariance.safetensors"), other.err());
    for (String also : new String[] {"", " --plan"}) {
      Nepenthe.Outcome none = run(read + file("x.csv") + " --layers fc1.weight" + also);
      assertEquals(1, none.status());
      assertTrue(none.err().contains("--layers"), none.err());
    }
  }

  private JsonNode plan(String line) {
    done(line + " --plan --json " + file("plan.json"));
    return Nepenthe.json(file("plan.json")).get("plan");
  }

  @Test
  void aPlanTakesTheBlocksFromTheFactors() {
    String blocks = " --layers conv* --separate-bias";
    done(FACTORS + file("factors") + blocks);
    for (String influence :
        new String[] {INFLUENCE, INFLUENCE.replace(" --queries glyphs:test#0-2", "")}) {
      String read = influence.replace(" F ", " " + file("factors") + " ") + "x.csv";
      String computed = influence.replace("--factors F ", "") + "x.csv";
      assertEquals(plan(computed + blocks), plan(read));
      assertNotEquals(plan(computed), plan(read));
      JsonNode some = plan(read + " --layers conv2.weight");
      assertNotEquals(plan(read), some);
      // All factors are in memory, the queries are smaller.
      for (int stage = 0; stage < some.size(); stage++) {
        assertTrue(
            some.get(stage).get("memoryBytes").asLong()
                > plan(computed + " --layers conv2* --separate-bias")
                    .get(stage)
                    .get("memoryBytes")
                    .asLong());
      }
    }
  }

  @Test
  void detectionInStagesAndPartsIsTheSame() throws IOException {
    String detect =
        "detect --affected glyphs:test#0-1 --transforms 3" + DATA + "--factors F --out ";
    done(detect + file("memory.csv"));
    String stages = " --stages " + file("delta");
    for (int part = 1; part <= 2; part++) {
      done(detect + file("none.csv") + stages + " --partition " + part + "/2");
    }
    assertFalse(Files.exists(file("none.csv")), "parts say nothing yet");
    String delta = file("delta").toString();
    done("merge " + delta + " " + delta + "/image-1 " + delta + "/image-2");
    done(detect + file("merged.csv") + stages);
    assertSame("memory.csv", "merged.csv", true);
    refused(detect.replace("--factors F ", "") + "x" + stages, "--factors");
    refused(detect + "x --partition 1/2", "--stages");
    refused(detect + "x --method spectral" + stages, "delta and influence");
    Nepenthe.Outcome plan = run((detect + "x --plan").replace("--quiet ", ""));
    assertTrue(plan.out().contains("pairwise_scores") && plan.out().contains("self_scores"));
  }

  @Test
  void lossesOfTrustedImagesSuffice() throws IOException {
    String detect = "detect --method badloss --epochs 2" + DATA + "--ids " + file("ids.txt");
    refused(detect, "--method badloss needs --trusted");
    refused(detect + " --trusted glyphs:test#0-19 --neighbours 0", "--neighbours");
    done(detect + " --trusted glyphs:test#0-19");
    assertEquals(
        13,
        Files.readAllLines(file("ids.txt")).stream()
            .filter(line -> !line.isBlank() && !line.startsWith("#"))
            .count());
  }

  @Test
  void keptActivationsGiveTheSameBytes() throws IOException {
    String kept = " --activations " + file("kept");
    done(INFLUENCE + file("plain.safetensors"));
    done(INFLUENCE + file("keeping.safetensors") + kept);
    done(INFLUENCE + file("reading.safetensors") + kept + " --activation-limit 0");
    for (String name : List.of("keeping.safetensors", "reading.safetensors")) {
      assertEquals(-1, Files.mismatch(file("plain.safetensors"), file(name)), name);
    }
    try (Stream<Path> files = Files.list(file("kept"))) {
      assertEquals(3, files.count(), "a file for each chunk of 64");
    }
    done(INFLUENCE + file("x.safetensors") + " --activation-limit 0 --activations " + file("not"));
    assertFalse(Files.exists(file("not")));
    refused(INFLUENCE + file("x.safetensors") + " --activation-limit 5Q", "500M", "5Q");
  }
}
