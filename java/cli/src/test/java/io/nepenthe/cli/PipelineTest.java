package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import blue.strategic.parquet.ParquetReader;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The curvature's stages through the command line. */
class PipelineTest {
  private static final String FACTORS = "factors --model M --data glyphs:train/200 --quiet --out D";

  @TempDir static Path models;
  @TempDir private Path folder;

  @BeforeAll
  static void train() {
    for (int seed = 1; seed <= 2; seed++) {
      Nepenthe.Outcome outcome =
          Nepenthe.here(
              ("train --arch lenet --data glyphs:train/200 --epochs 1 --quiet --seed %d --out %s")
                  .formatted(seed, models.resolve("model" + seed + ".onnx"))
                  .split(" "));
      assertEquals(0, outcome.status(), outcome.err());
    }
  }

  /** M is the model, D the folder of stages. */
  private Nepenthe.Outcome run(String line) {
    return Nepenthe.here(
        line.replace(" M ", " " + models.resolve("model1.onnx") + " ")
            .replaceAll(" D(?=[ /]|$)", " " + folder.resolve("d"))
            .split(" "));
  }

  private void done(String line) {
    Nepenthe.Outcome outcome = run(line);
    assertEquals(0, outcome.status(), line + ": " + outcome.err());
    assertEquals("", outcome.err());
  }

  private void refused(String line, int status, String... words) {
    Nepenthe.Outcome outcome = run(line);
    assertEquals(status, outcome.status(), line + ": " + outcome.err());
    assertEquals(status, outcome.errors().size(), outcome.err());
    for (String word : words) {
      assertTrue(outcome.err().contains(word), outcome.err());
    }
  }

  @Test
  void finishedStagesAreSkippedAndInspected() {
    done(FACTORS);
    Nepenthe.Outcome again = run(FACTORS.replace("--quiet ", ""));
    assertEquals(0, again.status(), again.err());
    for (String stage : new String[] {"covariance", "eigen", "lambda"}) {
      assertTrue(again.out().contains(stage + ".safetensors is there: skipped"), again.out());
    }
    Nepenthe.Outcome seen = run("inspect D --json D/seen.json");
    assertEquals(0, seen.status(), seen.err());
    assertTrue(seen.out().contains("stage = lambda"), seen.out());
    assertTrue(seen.out().contains("activation_covariance.conv1.weight"), seen.out());
    assertFalse(seen.out().contains("warning"), seen.out());
    JsonNode files = Nepenthe.json(folder.resolve("d/seen.json")).get("files");
    assertEquals(3, files.size());
    for (JsonNode file : files) {
      assertEquals(0, file.get("warnings").size());
      for (JsonNode tensor : file.get("tensors")) {
        assertEquals(0, tensor.get("notFinite").asInt());
      }
    }
  }

  @Test
  void partitionsOfTheCommandLineMerge() throws IOException {
    done(FACTORS);
    Path whole = Files.move(folder.resolve("d"), folder.resolve("whole"));
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 1; i <= 3; i++) {
        done(FACTORS + " --partition " + i + "/3");
      }
      Nepenthe.Outcome parts = run("inspect D");
      assertTrue(parts.out().contains("warning: chunk 4 of 4 only"), parts.out());
      done("merge D --quiet");
    }
    for (String stage : new String[] {"covariance", "eigen", "lambda"}) {
      String name = stage + ".safetensors";
      assertEquals(-1, Files.mismatch(whole.resolve(name), folder.resolve("d").resolve(name)));
    }
  }

  @Test
  void whatCannotBeIsRefusedInOneLine() throws IOException {
    refused(FACTORS + " --partition 3/2", 2, "--partition", "3/2");
    refused(FACTORS + " --partition 0/2", 2, "--partition");
    refused(FACTORS + " --partition half", 2, "I/N");
    refused(FACTORS + " --partition 1/5", 1, "at most 4 partitions, found 5");
    refused(FACTORS + " --checkpoint -1", 2, "--checkpoint");
    refused(FACTORS + " --fisher none", 2, "--fisher takes");
    refused("merge D", 1, "expected a folder");
    refused("inspect D", 1, "no such file");
    done(FACTORS + " --partition 1/2");
    refused("merge D", 1, "all 4 chunks of covariance", "2 missing: 3–4");
    refused(
        FACTORS.replace(" M ", " " + models.resolve("model2.onnx") + " ") + " --partition 1/2",
        1,
        "covariance.01-of-04.safetensors",
        "expected model = ",
        "found model = ");
    refused(FACTORS + " --partition 1/2 --fisher true", 1, "fisher = true", "fisher = exact");
    Path piece = folder.resolve("d/covariance.02-of-04.safetensors");
    byte[] bytes = Files.readAllBytes(piece);
    Files.write(piece, Arrays.copyOf(bytes, bytes.length - 1));
    refused(FACTORS + " --partition 1/2", 1, "covariance.02-of-04.safetensors");
    done(FACTORS + " --partition 2/2");
    refused("merge D", 1, "covariance.02-of-04.safetensors");
    refused("inspect D", 1, "covariance.02-of-04.safetensors");
  }

  @Test
  void aFolderThatCannotBeWrittenIsToldBefore() {
    String file = models.resolve("model1.onnx").toString();
    refused(FACTORS.replace(" D", " " + file + "/x"), 1, "model1.onnx", "is none");
    refused(FACTORS.replace(" D", " /proc/x"), 1, "/proc/x");
  }

  @Test
  void influenceReadsWhatFactorsWrote() throws IOException {
    done(FACTORS);
    String influence =
        "influence --model M --data glyphs:train/200 --queries glyphs:test#0-2 --quiet --out ";
    done(influence + folder.resolve("computed.csv"));
    done(influence + folder.resolve("read.csv") + " --factors D ");
    assertEquals(
        Files.readString(folder.resolve("computed.csv")),
        Files.readString(folder.resolve("read.csv")));
    String read = influence + folder.resolve("x.csv") + " --factors D ";
    refused(read + "--curvature identity", 2, "--factors");
    refused(read + "--fisher exact", 2, "--fisher is what --factors were computed with");
    refused(read.replace(" M ", " " + models.resolve("model2.onnx") + " "), 1, "eigen.safetensors");
    Files.delete(folder.resolve("d/lambda.safetensors"));
    refused(read.strip(), 1, "lambda.safetensors", "no such file");
  }

  @Test
  void partitionedScoresMerge() throws IOException {
    done(FACTORS);
    String influence =
        "influence --model M --data glyphs:train/200 --per-layer --quiet --factors D --stages ";
    for (String queries : new String[] {"", " --queries glyphs:test#0-2"}) {
      Path parts = folder.resolve("parts" + queries.length());
      Path whole = folder.resolve("whole" + queries.length());
      for (int i = 1; i <= 2; i++) {
        done(influence + parts + queries + " --partition " + i + "/2");
      }
      refused(influence + parts + queries + " --partition 1/2 --damping 0.2", 1, "damping = ");
      done("merge " + parts + " --quiet");
      done(influence + whole + queries + " --out " + folder.resolve("scores.csv"));
      String name = (queries.isEmpty() ? "self" : "pairwise") + "_scores.safetensors";
      assertEquals(-1, Files.mismatch(whole.resolve(name), parts.resolve(name)));
      done(influence.replace("--stages", "--out") + folder.resolve("direct.csv") + queries);
      if (queries.isEmpty()) {
        Files.copy(folder.resolve("direct.csv"), folder.resolve("self.csv"));
      }
      assertEquals(-1, Files.mismatch(folder.resolve("scores.csv"), folder.resolve("direct.csv")));
    }
    done(influence.replace("--stages", "--out") + folder.resolve("direct.parquet"));
    assertEquals(
        Files.readAllLines(folder.resolve("self.csv")), rows(folder.resolve("direct.parquet")));
    refused("influence --model M --data glyphs:train/200 --factors D", 2, "--out or --stages");
    refused("influence --model M --data glyphs:train/200 --stages x", 2, "--factors");
    refused(influence.replace("--stages", "--out") + "x --partition 1/2", 2, "need --stages");
  }

  /** The rows of a Parquet file, as CSV. */
  private static List<String> rows(Path file) throws IOException {
    List<String> rows = new ArrayList<>(List.of("query,id,score"));
    try (Stream<String[]> read = ParquetReader.streamContentToStrings(file.toFile())) {
      read.forEach(row -> rows.add(String.join(",", row).replaceAll("[a-z]+=", "")));
    }
    return rows;
  }

  /** As the launcher runs it: factors of the model, and the scores of Δ-Influence's 51 queries. */
  @ParameterizedTest
  @ValueSource(strings = {"lenet", "mlp --width 1024"})
  void thePlanIsWithinATenthOfThePeak(String architecture) {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/status")), "peaks are read there");
    Path model = folder.resolve("model.onnx");
    done(
        "train --data glyphs:train/64 --epochs 1 --quiet --out "
            + model
            + " --arch "
            + architecture);
    String of = " --data glyphs:train/300 --model " + model;
    String factors = folder.resolve("f").toString();
    assertPlanned("factors --out " + factors + of, folder.resolve("f"));
    assertPlanned(
        "influence --queries glyphs:test#0-50 --factors "
            + factors
            + " --stages "
            + folder.resolve("s")
            + of,
        folder.resolve("s"));
    // Few queries, so that most is taken by decompositions, where a layer has many more weights;
    // but
    // more than processors, or it would be chance whether as many are decomposed at once as
    // planned.
    assertPlanned(
        "influence --queries glyphs:test#0-5 --query-rank 8 --factors "
            + factors
            + " --stages "
            + folder.resolve("r")
            + of,
        folder.resolve("r"));
  }

  private void assertPlanned(String line, Path stages) {
    Path plan = folder.resolve("plan.json");
    Path result = folder.resolve("result.json");
    Nepenthe.Outcome planned = Nepenthe.run((line + " --plan --json " + plan).split(" "));
    assertEquals(0, planned.status(), planned.err());
    assertFalse(Files.exists(stages), "nothing was run");
    Nepenthe.Outcome ran = Nepenthe.run((line + " --json " + result).split(" "));
    assertEquals(0, ran.status(), ran.err());
    double expected = Nepenthe.json(plan).get("plannedPeakBytes").asDouble();
    double measured = Nepenthe.json(result).get("peakBytes").asDouble();
    assertEquals(measured, expected, 0.1 * measured, line);
    // Only the files' padding and header are not in the plan.
    for (JsonNode stage : Nepenthe.json(plan).get("plan")) {
      long bytes = stages.resolve(stage.get("stage").asText() + ".safetensors").toFile().length();
      assertEquals(bytes, stage.get("fileBytes").asDouble(), 0.05 * bytes + 10_000);
      assertTrue(stage.get("operations").asDouble() > 1e6, stage.toString());
    }
  }
}
