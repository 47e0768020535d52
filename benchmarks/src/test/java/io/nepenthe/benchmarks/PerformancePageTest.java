package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerformancePageTest {
  @TempDir Path folder;

  @Test
  void aRunIsWrittenAsPageAndPicture() throws Exception {
    Path report = folder.resolve("run.json");
    assertEquals(
        0, Benchmarks.execute("--quick", "-o", report.toString(), "Dampen|SelectTop|Binding"));
    Path scaling = folder.resolve("scaling.json");
    assertEquals(
        0,
        Benchmarks.execute(
            "scaling", "--largest", "5", "--repetitions", "1", "-o", scaling.toString()));
    assertEquals(
        0,
        Benchmarks.execute(
            "report", "-d", folder.toString(), "-s", scaling.toString(), report.toString()));
    String page = Files.readString(folder.resolve("performance.md"));
    assertTrue(page.contains("| dampen selected=0.5, weights=100003 |"), page);
    assertTrue(page.contains("**ten masks, beside the JDK's parallel sort"), page);
    assertTrue(page.contains("**dampen**: time grows as parameters"), page);
    String svg = Files.readString(folder.resolve("roofline.svg"));
    assertTrue(svg.contains("dampen"), svg);
    assertTrue(!svg.contains("NaN") && !svg.contains("Infinity"), svg);
  }
}
