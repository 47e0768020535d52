package io.nepenthe.benchmarks.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfluencePageTest {
  private static final Path ROOT = Path.of("..");

  @TempDir Path folder;

  @Test
  void noFigureIsTypedByHand() throws IOException {
    Path page = ROOT.resolve("docs/influence.md");
    Path copy = Files.copy(page, folder.resolve("influence.md"));
    Path results = ROOT.resolve("benchmarks/results/influence.csv");
    InfluenceFigures.main("tables", results.toString(), copy.toString());
    assertEquals(Files.readString(copy), Files.readString(page));
  }
}
