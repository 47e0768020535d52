package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs every benchmark once, so that none rots; no time is asserted. */
class BenchmarkSmokeTest {
  @TempDir Path folder;

  @Test
  void everyBenchmarkRuns() throws Exception {
    Path output = folder.resolve("benchmarks.json");
    assertEquals(0, Benchmarks.execute("--quick", "-o", output.toString()));
    Report report = Report.read(output);
    Set<String> classes =
        report.rows().stream()
            .map(row -> row.benchmark().substring(0, row.benchmark().indexOf('.')))
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(compiled(), classes);
    assertFalse(report.roofs().isEmpty());
    for (Report.Row row : report.rows()) {
      assertTrue(row.milliseconds() > 0, row.toString());
    }
    assertTrue(report.quick());
    assertFalse(report.commit().isEmpty());
    assertTrue(report.machine().instructionSet().startsWith("x86-64"), report.toString());
  }

  /** The benchmark classes in the jar's folder, peers among them when their profile is on. */
  private static Set<String> compiled() throws Exception {
    Path classes =
        Path.of(Benchmarks.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    try (Stream<Path> files = Files.list(classes.resolve("io/nepenthe/benchmarks"))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith("Benchmark.class"))
          .map(name -> name.replace(".class", ""))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @Test
  void wrongArgumentsAreRefused() {
    assertEquals(2, Benchmarks.execute("--fast"));
    assertEquals(2, Benchmarks.execute("-p", "layer"));
    assertEquals(2, Benchmarks.execute("a", "b"));
    assertEquals(0, Benchmarks.execute("--help"));
    assertEquals(1, Benchmarks.execute("report", folder.resolve("absent.json").toString()));
  }

  @Test
  void aReportThatIsNoneIsNamed() throws IOException {
    Path file = Files.writeString(folder.resolve("other.json"), "{\"a\": 1}");
    IOException failure = assertThrows(IOException.class, () -> Report.read(file));
    assertTrue(failure.getMessage().startsWith(file + " is not a report"), failure.getMessage());
  }
}
