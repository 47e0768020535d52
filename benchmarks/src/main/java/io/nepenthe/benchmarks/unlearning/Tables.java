package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.benchmarks.Marked;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Writes the tables between the {@link Marked} lines of their pages. */
final class Tables {
  static final List<String> BACKDOORS = List.of("badnets", "badnets-5000");
  static final List<String> PRIVACY = List.of("random", "class");

  /** The privacy tasks with more images, on CIFAR-10: not in the average over the others. */
  static final List<String> LARGER = List.of("random-7000", "class-7000");

  /** Their seeds; the last two where time allows. */
  static final List<Long> LARGER_SEEDS = List.of(1L, 2L, 3L, 4L, 5L);

  /** The page that says what to choose, and the one with every figure. */
  static final List<String> PAGES = List.of("unlearning.md", "unlearning-tables.md");

  private Tables() {}

  /** Replaces what is between the marks of both pages. */
  static void write(List<Row> rows, Path folder) throws IOException {
    Measured measured = new Measured(rows);
    replace(folder.resolve(PAGES.getFirst()), new SummaryTables(measured).text());
    replace(folder.resolve(PAGES.getLast()), new DetailTables(measured).text());
  }

  private static void replace(Path page, String text) throws IOException {
    Marked.rewrite(page, old -> Marked.replace(old, "measured", text));
  }

  /** How many training images a task has. */
  static String images(String task) {
    return Figures.format("%,d images", new Row.Cell(task, Data.GLYPHS.title(), 1, 0).images());
  }
}
