package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerformancePageTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern COMMAND =
      Pattern.compile("benchmarks.jar report --readme README.md (.+)");

  @TempDir Path folder;

  @Test
  void noFigureIsTypedByHand() throws Exception {
    String page = Files.readString(ROOT.resolve("docs/performance.md"));
    Matcher command = COMMAND.matcher(page);
    assertTrue(command.find(), page);
    Optional<PerformancePage.Growth> growth = Optional.empty();
    Optional<PerformancePage.Gpu> gpu = Optional.empty();
    List<PerformancePage.Source> sources = new ArrayList<>();
    for (Iterator<String> words = List.of(command.group(1).split(" ")).iterator();
        words.hasNext(); ) {
      String word = words.next();
      if (word.equals("--gpu")) {
        String file = words.next();
        gpu = Optional.of(new PerformancePage.Gpu(file, GpuFigure.read(ROOT.resolve(file))));
      } else if (word.equals("--scaling")) {
        String file = words.next();
        growth = Optional.of(new PerformancePage.Growth(file, Scaling.read(ROOT.resolve(file))));
      } else {
        sources.add(new PerformancePage.Source(word, Report.read(ROOT.resolve(word))));
      }
    }
    List<Report> reports = sources.stream().map(PerformancePage.Source::report).toList();
    assertEquals(PerformancePage.of(sources, growth, gpu), page);
    assertEquals(RooflineChart.svg(reports), Files.readString(ROOT.resolve("docs/roofline.svg")));
    String readme = Files.readString(ROOT.resolve("README.md"));
    List<GpuFigure> figures = gpu.map(PerformancePage.Gpu::figures).orElse(List.of());
    assertEquals(ReadmeTable.replace(readme, reports, figures), readme);
  }

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
    Path gpu = folder.resolve("bench.jsonl");
    Files.writeString(
        gpu,
        """
        {"device": "a GPU", "name": "dampen", "rate": 2e12, "unit": "bytes/s", "fractionOfRoof": 0.75, \
        "seconds": {"median": 0.002, "least": 0.001, "most": 0.003}, \
        "wall": {"median": 0.004, "least": 0.004, "most": 0.005}}
        """);
    Path readme = folder.resolve("README.md");
    Files.writeString(
        readme, "# A\n<!-- operations: begin -->\nold\n<!-- operations: end -->\nB\n");
    assertEquals(
        0,
        Benchmarks.execute(
            "report",
            "-d",
            folder.toString(),
            "-s",
            scaling.toString(),
            "-g",
            gpu.toString(),
            "-r",
            readme.toString(),
            report.toString()));
    String page = Files.readString(folder.resolve("performance.md"));
    assertTrue(page.contains("| dampen selected=0.5, weights=100003 |"), page);
    assertTrue(page.contains("**ten masks, beside the JDK's parallel sort"), page);
    assertTrue(page.contains("**dampen**: time grows as parameters"), page);
    assertTrue(
        page.contains("| a GPU | dampen | 2.000 (1.000 to 3.000) | 4.000 | 2000.0 | 75 % |"), page);
    String table = Files.readString(readme);
    assertTrue(table.startsWith("# A\n<!-- operations: begin -->\n\n| operation |"), table);
    assertTrue(table.endsWith("<!-- operations: end -->\nB\n") && !table.contains("old"), table);
    assertTrue(
        table.lines().anyMatch(l -> l.contains("`dampen`") && l.endsWith("| 75 % |")), table);
    assertTrue(
        table.lines().anyMatch(l -> l.contains("`selectTop`") && l.endsWith("| not measured |")),
        table);
    String svg = Files.readString(folder.resolve("roofline.svg"));
    assertTrue(svg.contains("dampen"), svg);
    assertTrue(!svg.contains("NaN") && !svg.contains("Infinity"), svg);
  }
}
