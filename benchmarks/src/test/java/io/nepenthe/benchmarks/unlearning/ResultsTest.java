package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What processes that share a file of results see of each other, and what of it is shown. */
class ResultsTest {
  private static final Row.Cell CELL = new Row.Cell("random", "glyphs", 1, 6);

  @TempDir Path folder;

  @Test
  void oneSeesWhatTheOtherMeasured() {
    Results one = new Results(folder.resolve("results.csv"));
    Results other = new Results(folder.resolve("results.csv"));
    assertEquals(List.of(), one.rows());
    Row row = row(CELL, "salun");
    other.add(row);
    assertEquals(row, one.find(CELL, "salun").orElseThrow());
    assertEquals(List.of(row), other.rows());
  }

  @Test
  void whatOneIsAtTheOtherDoesNotTake() {
    Path results = folder.resolve("results.csv");
    try (Claims one = new Claims(results);
        Claims other = new Claims(results)) {
      try (Claims.Claim _ = one.take(CELL).orElseThrow()) {
        assertTrue(other.take(CELL).isEmpty());
        other.take(CELL.withSeed(7)).orElseThrow().close();
      }
      other.take(CELL).orElseThrow().close();
      other.await(CELL).close();
    }
  }

  @Test
  void aLargerTableIsShownWithTheSeedsThatEveryMethodHasOnceThereAreThree() {
    String task = Tables.LARGER.getFirst();
    Results results = new Results(folder.resolve("results.csv"));
    String last = UnlearningTables.METHODS.getLast().name();
    for (long seed : List.of(1L, 2L, 3L, 4L)) {
      for (var entry : UnlearningTables.METHODS) {
        if (seed < 3 || !entry.name().equals(last)) {
          results.add(row(cell(task, seed), entry.name()));
        }
      }
    }
    Measured before = new Measured(results.rows());
    assertEquals(List.of(), before.complete(task));
    assertEquals(2, before.of(task, Data.CIFAR10, 1, "salun").size());
    results.add(row(cell(task, 3), last));
    Measured after = new Measured(results.rows());
    assertEquals(List.of(Data.CIFAR10), after.complete(task));
    assertEquals(
        List.of(1L, 2L, 3L),
        after.of(task, Data.CIFAR10, 1, "salun").stream().map(row -> row.cell().seed()).toList());
  }

  @Test
  void theSeedThatChoosesIsNotShown() {
    List<Row> rows =
        UnlearningTables.METHODS.stream()
            .map(entry -> row(cell(Tables.LARGER.getFirst(), 0), entry.name()))
            .toList();
    assertEquals(List.of(), new Measured(rows).rows());
  }

  private static Row.Cell cell(String task, long seed) {
    return new Row.Cell(task, Data.CIFAR10.title(), 1, seed);
  }

  private static Row row(Row.Cell cell, String method) {
    return new Row(cell, method, Row.PUBLISHED, new LinkedHashMap<>(Map.of("seconds", 1.0)));
  }
}
