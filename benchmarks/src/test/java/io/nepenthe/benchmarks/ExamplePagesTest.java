package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExamplePagesTest {
  private static final Path ROOT = Path.of("..");
  private static final String PAGE =
      """
      before
      <!-- seeds: begin -->
      old
      <!-- seeds: end -->
      <!-- mnist: begin -->
      old
      <!-- mnist: end -->
      after
      """;

  @TempDir Path folder;

  @Test
  void noFigureIsTypedByHand() throws IOException {
    ExamplePages pages = new ExamplePages(ROOT.resolve("benchmarks/results/examples"));
    String ssd = Files.readString(ROOT.resolve("docs/ssd.md"));
    assertEquals(pages.ssd(ssd), ssd);
    String readme = Files.readString(ROOT.resolve("README.md"));
    assertEquals(pages.readme(readme), readme);
  }

  private void result(String name, String rest) throws IOException {
    Files.writeString(
        folder.resolve(name),
        """
        {"command": "a", "seed": 2, "threads": 3, "began": "2026-11-22T11:19:56Z",
         "seconds": {"total": 12.6}, %s}
        """
            .formatted(rest));
  }

  @Test
  void resultsBecomeTables() throws IOException {
    result(
        "demo-1.json",
        """
        "before": {"cleanAccuracy": 0.9861, "attackSuccessRate": 0.5},
        "methods": [
          {"cleanAccuracy": 0.98, "attackSuccessRate": 0.004, "correctedAccuracy": 0.97,
           "setting": {"selection": 11.31}, "seconds": {"total": 2.5}},
          {"cleanAccuracy": 0.99, "attackSuccessRate": 0.25, "seconds": {"total": 6.25}}]\
        """);
    ExamplePages pages = new ExamplePages(folder);
    String ssd = pages.ssd(PAGE);
    assertTrue(ssd.contains("| 2 | 98.6 | 50.0 | 11.3 | 98.0 | 0.4 | 97.0 | 99.0 | 25.0 |\n"), ssd);
    assertTrue(ssd.contains("Seed 2 took 13 s, of which forgetting 2.5 s"), ssd);
    assertTrue(ssd.startsWith("before\n") && ssd.endsWith("after\n"), ssd);
    assertEquals(PAGE, pages.readme(PAGE), "without data nothing changes");

    result("mnist-poison.json", "\"task\": {\"known\": 0.1, \"poisoned\": 1160}");
    result("mnist-train.json", "\"epochs\": []");
    result("mnist-unlearn.json", "\"epochs\": []");
    Files.writeString(folder.resolve("mnist.txt"), "test accuracy   1 %\n");
    String readme = pages.readme(PAGE);
    assertTrue(readme.contains("```\ntest accuracy   1 %\n```\n"), readme);
    assertTrue(readme.contains("116 of the 1,160 poisoned images were known."), readme);
    assertTrue(readme.contains("on 3 threads; 2026-11-22."), readme);
  }

  @Test
  void whatIsMissingIsNamed() throws IOException {
    ExamplePages pages = new ExamplePages(folder);
    IOException absent = assertThrows(IOException.class, () -> pages.ssd(PAGE));
    assertTrue(absent.getMessage().contains("demo-1.json"), absent.getMessage());
    Files.writeString(folder.resolve("demo-1.json"), "{}");
    IOException other = assertThrows(IOException.class, () -> pages.ssd(PAGE));
    assertEquals(
        folder.resolve("demo-1.json") + " is not the result of a command", other.getMessage());
    result("demo-1.json", "\"methods\": [], \"before\": {}");
    Files.writeString(folder.resolve("mnist.txt"), "a");
    Path page = folder.resolve("page.md");
    Files.writeString(page, "no marks");
    IllegalArgumentException marks =
        assertThrows(
            IllegalArgumentException.class,
            () -> Marked.rewrite(page, text -> Marked.replace(text, "mnist", "lines")));
    assertTrue(marks.getMessage().startsWith(page + ": expected"), marks.getMessage());
    assertTrue(marks.getMessage().contains("<!-- mnist: begin -->"), marks.getMessage());
    assertEquals("no marks", Files.readString(page));
  }
}
