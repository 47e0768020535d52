package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
    Report report = Benchmarks.run(Benchmarks.Arguments.parse("-quick", "-o", output.toString()));
    Set<String> classes =
        report.rows().stream()
            .map(row -> row.benchmark().substring(0, row.benchmark().indexOf('.')))
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(sources(), classes);
    assertFalse(report.roofs().isEmpty());
    for (Report.Row row : report.rows()) {
      assertTrue(row.milliseconds() > 0, row.toString());
    }
    String text = Files.readString(output);
    assertTrue(text.contains("\"commit\": \""), text);
    assertTrue(text.contains("\"instructionSet\": \""), text);
  }

  private static Set<String> sources() throws Exception {
    Path sources = Path.of("src/main/java/io/nepenthe/benchmarks");
    try (Stream<Path> files = Files.list(sources)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith("Benchmark.java"))
          .map(name -> name.replace(".java", ""))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @Test
  void argumentsAreChecked() {
    assertEquals(2, Benchmarks.Arguments.parse().forks());
    assertEquals("Dampen", Benchmarks.Arguments.parse("Dampen").filter());
    assertArrayEquals(
        new String[] {"a", "b"},
        Benchmarks.Arguments.parse("-p", "layer=a,b").parameters().get("layer"));
    assertThrows(IllegalArgumentException.class, () -> Benchmarks.Arguments.parse("-fast"));
    assertThrows(IllegalArgumentException.class, () -> Benchmarks.Arguments.parse("-o"));
    assertThrows(IllegalArgumentException.class, () -> Benchmarks.Arguments.parse("a", "b"));
  }

  @Test
  void jsonIsEscaped() {
    assertEquals(
        "{\n  \"a\\\"b\": [\n    1,\n    null,\n    \"\\u000a\"\n  ]\n}\n",
        Json.write(Map.of("a\"b", List.of(1, Double.NaN, "\n"))));
  }
}
