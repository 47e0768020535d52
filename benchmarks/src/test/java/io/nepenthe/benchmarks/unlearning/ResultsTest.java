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
  void aLargerTableIsShownOnceEveryMethodHasAllItsSeeds() {
    Results results = new Results(folder.resolve("results.csv"));
    String last = UnlearningTables.METHODS.getLast().name();
    List<Long> seeds = Data.CIFAR10.shown();
    for (long seed : seeds) {
      Row.Cell cell = new Row.Cell(Tables.LARGER, Data.CIFAR10.title(), 1, seed);
      for (var entry : UnlearningTables.METHODS) {
        if (seed != seeds.getLast() || !entry.name().equals(last)) {
          results.add(row(cell, entry.name()));
        }
      }
    }
    assertEquals(List.of(), new Measured(results.rows()).complete(Tables.LARGER));
    results.add(row(new Row.Cell(Tables.LARGER, "cifar10", 1, seeds.getLast()), last));
    assertEquals(List.of(Data.CIFAR10), new Measured(results.rows()).complete(Tables.LARGER));
  }

  private static Row row(Row.Cell cell, String method) {
    return new Row(cell, method, Row.PUBLISHED, new LinkedHashMap<>(Map.of("seconds", 1.0)));
  }
}
