package io.nepenthe.benchmarks.unlearning;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What one method did to one model.
 *
 * @param cell what it was measured on
 * @param method its name; {@code before} for the model as trained
 * @param settings what differs from the published ones, as {@code name=value}; {@code -} for
 *     nothing
 * @param values metrics by name, fractions of one and seconds
 */
record Row(Cell cell, String method, String settings, SequencedMap<String, Double> values) {
  /** Settings as published. */
  static final String PUBLISHED = "-";

  /**
   * A task on a data set with a seed.
   *
   * @param task {@code badnets}, {@code interclass}, {@code label-noise}, {@code random} or {@code
   *     class}; with {@code -5000} and the like that many training images
   * @param data {@link Data#title()}
   * @param known the share of the manipulated samples that is known; 1 for privacy tasks
   * @param seed 0 and below for choosing settings, from 1 for the tables
   */
  record Cell(String task, String data, double known, long seed) {
    private static final Pattern SIZED = Pattern.compile("-(\\d+)$");

    /** The same with another seed. */
    Cell withSeed(long other) {
      return new Cell(task, data, known, other);
    }

    /** The same with all known. */
    Cell withAllKnown() {
      return new Cell(task, data, 1, seed);
    }

    /** The data set. */
    Data set() {
      return Data.titled(data);
    }

    /** The task whatever the number of images. */
    String kind() {
      return SIZED.matcher(task).replaceFirst("");
    }

    /** How many training images there are. */
    int images() {
      Matcher size = SIZED.matcher(task);
      return size.find() ? Integer.parseInt(size.group(1)) : set().images();
    }

    /** Whether the task says how many training images there are. */
    boolean isSized() {
      return !task.equals(kind());
    }

    /** Whether it is for choosing settings, and in no table. */
    boolean isTuning() {
      return seed <= 0;
    }

    /** Whether what is forgotten was right, and retraining is the aim. */
    boolean isPrivacy() {
      return kind().equals("random") || kind().equals("class");
    }
  }

  /** One line: the cell, the method, its settings, and {@code name=value} for each metric. */
  String line() {
    return "%s,%s,%s,%d,%s,%s"
            .formatted(cell.task, cell.data, cell.known, cell.seed, method, settings)
        + values.entrySet().stream()
            .map(entry -> "," + entry.getKey() + "=" + entry.getValue())
            .collect(Collectors.joining());
  }

  static Row parse(String line) {
    String[] parts = line.split(",");
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    for (int i = 6; i < parts.length; i++) {
      String[] pair = parts[i].split("=");
      values.put(pair[0], Double.parseDouble(pair[1]));
    }
    Cell cell =
        new Cell(parts[0], parts[1], Double.parseDouble(parts[2]), Long.parseLong(parts[3]));
    return new Row(cell, parts[4], parts[5], values);
  }

  /** A metric; NaN where it was not measured. */
  double value(String name) {
    return ((Map<String, Double>) values).getOrDefault(name, Double.NaN);
  }
}
