package io.nepenthe.benchmarks.unlearning;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/**
 * What one method did to one model.
 *
 * @param cell what it was measured on
 * @param method its name; {@code before} for the model as trained
 * @param values metrics by name, fractions of one and seconds
 */
record Row(Cell cell, String method, SequencedMap<String, Double> values) {
  /**
   * A task on a data set with a seed.
   *
   * @param task {@code corrective}, {@code random} or {@code class}
   * @param data {@code glyphs} or {@code mnist}
   * @param known the share of the manipulated samples that is known; 1 for privacy tasks
   */
  record Cell(String task, String data, double known, long seed) {
    /** The same, whatever the seed. */
    Cell anySeed() {
      return new Cell(task, data, known, 0);
    }
  }

  /** One line: the cell, the method, and {@code name=value} for each metric. */
  String line() {
    StringBuilder line = new StringBuilder();
    line.append(cell.task).append(',').append(cell.data).append(',').append(cell.known);
    line.append(',').append(cell.seed).append(',').append(method);
    values.forEach((name, value) -> line.append(',').append(name).append('=').append(value));
    return line.toString();
  }

  static Row parse(String line) {
    String[] parts = line.split(",");
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    for (int i = 5; i < parts.length; i++) {
      String[] pair = parts[i].split("=");
      values.put(pair[0], Double.parseDouble(pair[1]));
    }
    Cell cell =
        new Cell(parts[0], parts[1], Double.parseDouble(parts[2]), Long.parseLong(parts[3]));
    return new Row(cell, parts[4], values);
  }

  /** A metric; NaN where it was not measured. */
  double value(String name) {
    return ((Map<String, Double>) values).getOrDefault(name, Double.NaN);
  }
}
