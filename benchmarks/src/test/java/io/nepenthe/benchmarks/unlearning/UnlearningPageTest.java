package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnlearningPageTest {
  private static final Path ROOT = Path.of("..");
  private static final Path DOCS = ROOT.resolve("docs");

  @TempDir Path folder;

  @Test
  void noFigureIsTypedByHand() throws IOException {
    for (String page : Tables.PAGES) {
      Files.copy(DOCS.resolve(page), folder.resolve(page));
    }
    Results results = new Results(ROOT.resolve("benchmarks/results/unlearning.csv"));
    Tables.write(results.rows(), folder);
    for (String page : Tables.PAGES) {
      assertEquals(Files.readString(folder.resolve(page)), Files.readString(DOCS.resolve(page)));
    }
  }
}
