package io.nepenthe.benchmarks.unlearning;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The rows measured so far, a line each in a file: a killed run goes on where it stopped, and
 * processes that share the file see each other's.
 */
final class Results {
  private final Path file;
  private final List<Row> rows = new ArrayList<>();
  private long read;

  Results(Path file) {
    this.file = file;
  }

  /** A method's row with any settings. */
  Optional<Row> find(Row.Cell cell, String method) {
    return rows().stream()
        .filter(row -> row.cell().equals(cell) && row.method().equals(method))
        .findFirst();
  }

  /** A method's row with these settings. */
  Optional<Row> find(Row.Cell cell, String method, String settings) {
    return rows().stream()
        .filter(
            row ->
                row.cell().equals(cell)
                    && row.method().equals(method)
                    && row.settings().equals(settings))
        .findFirst();
  }

  void add(Row row) {
    try {
      Files.writeString(
          file, row.line() + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All there are, whoever measured them. */
  List<Row> rows() {
    try {
      long size = Files.exists(file) ? Files.size(file) : 0;
      if (size != read) {
        rows.clear();
        for (String line : Files.readAllLines(file)) {
          if (!line.isBlank() && !line.startsWith("#")) {
            rows.add(Row.parse(line));
          }
        }
        read = size;
      }
      return rows;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
