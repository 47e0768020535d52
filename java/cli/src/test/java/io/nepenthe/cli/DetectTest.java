package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.Safetensors;
import io.nepenthe.tensor.Shape;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Influence and detection, as a user runs them on a small model. */
class DetectTest {
  @TempDir static Path folder;

  private static String file(String name) {
    return folder.resolve(name).toString();
  }

  @BeforeAll
  static void train() {
    Nepenthe.Outcome trained =
        Nepenthe.here(
            "train",
            "--arch",
            "mlp",
            "--data",
            "glyphs:train#0-599",
            "--epochs",
            "3",
            "--out",
            file("model.onnx"),
            "--quiet");
    assertEquals(0, trained.status(), trained.err());
  }

  @Test
  void influencesAreWrittenAsTensorsAndAsText() throws Exception {
    Nepenthe.Outcome scored =
        Nepenthe.here(
            "influence",
            "--model",
            file("model.onnx"),
            "--data",
            "glyphs:train#0-599",
            "--queries",
            "glyphs:test#0-3",
            "--per-layer",
            "--out",
            file("scores.safetensors"));
    assertEquals(0, scored.status(), scored.err());
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents contents = Safetensors.read(folder.resolve("scores.safetensors"), arena);
      assertEquals(Shape.of(4, 600), contents.tensor("all_modules").shape());
      assertTrue(contents.tensors().size() > 1);
      assertTrue(contents.metadata().get("sign").startsWith("positive"));
    }
    Nepenthe.Outcome self =
        Nepenthe.here(
            "influence",
            "--model",
            file("model.onnx"),
            "--data",
            "glyphs:train#0-599",
            "--curvature",
            "identity",
            "--out",
            file("self.csv"));
    assertEquals(0, self.status(), self.err());
    List<String> lines = Files.readAllLines(folder.resolve("self.csv"));
    assertEquals(601, lines.size());
    assertEquals("query,id,score", lines.get(0));
  }

  @Test
  void suspectsAreNamedListedAndShown() throws Exception {
    Nepenthe.Outcome found =
        Nepenthe.here(
            "detect",
            "--model",
            file("model.onnx"),
            "--data",
            "glyphs:train#0-599",
            "--affected",
            "glyphs:test#0-1",
            "--transforms",
            "5",
            "--out",
            file("all.csv"),
            "--ids",
            file("ids.txt"),
            "--report",
            file("page.html"),
            "--json",
            file("result.json"));
    assertEquals(0, found.status(), found.err());
    JsonNode json = Nepenthe.json(folder.resolve("result.json"));
    assertEquals(600, json.get("examples").asInt());
    assertEquals(601, Files.readAllLines(folder.resolve("all.csv")).size());
    assertEquals(
        json.get("flagged").asInt(),
        Files.readAllLines(folder.resolve("ids.txt")).stream()
            .filter(line -> !line.startsWith("#") && !line.isBlank())
            .count());
    String page = Files.readString(folder.resolve("page.html"));
    assertTrue(page.contains("data:image/png") && page.contains("most suspect"));
    for (String method : new String[] {"influence", "spectral", "clustering"}) {
      Nepenthe.Outcome other =
          Nepenthe.here(
              "detect",
              "--model",
              file("model.onnx"),
              "--data",
              "glyphs:train#0-599",
              "--method",
              method,
              "--affected",
              "glyphs:test#0-0",
              "--curvature",
              "identity");
      assertEquals(0, other.status(), other.err());
    }
  }

  @Test
  void wrongUsageIsTold() {
    Nepenthe.Outcome none =
        Nepenthe.here("detect", "--model", file("model.onnx"), "--data", "glyphs:train#0-9");
    assertEquals(2, none.status());
    assertTrue(none.err().contains("--affected"), none.err());
    Nepenthe.Outcome label =
        Nepenthe.here(
            "detect",
            "--model",
            file("model.onnx"),
            "--data",
            "glyphs:train#0-99",
            "--affected",
            "glyphs:test#0-0",
            "--attack-label",
            "10");
    assertEquals(1, label.status());
    assertTrue(label.err().contains("0 to 9"), label.err());
  }
}
