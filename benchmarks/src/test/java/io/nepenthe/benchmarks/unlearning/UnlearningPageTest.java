package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnlearningPageTest {
  private static final Path ROOT = Path.of("..");

  @TempDir Path folder;

  @Test
  void noFigureIsTypedByHand() throws IOException {
    Path page = ROOT.resolve("docs/unlearning.md");
    Path copy = Files.copy(page, folder.resolve("unlearning.md"));
    Results results = new Results(ROOT.resolve("benchmarks/results/unlearning.csv"));
    Tables.write(results.rows(), copy);
    assertEquals(Files.readString(copy), Files.readString(page));
  }
}
