package io.nepenthe.benchmarks.influence;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What was measured, one line of a file: {@code figure,data,seed,part,name=value,…}.
 *
 * @param values by name, fractions of one and seconds
 */
record Measured(
    String figure, String data, long seed, String part, SequencedMap<String, Double> values) {
  String line() {
    StringBuilder line = new StringBuilder(figure + ',' + data + ',' + seed + ',' + part);
    values.forEach((name, value) -> line.append(',').append(name).append('=').append(value));
    return line.toString();
  }

  private static Measured parse(String line) {
    String[] parts = line.split(",");
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    for (int i = 4; i < parts.length; i++) {
      int equals = parts[i].indexOf('=');
      values.put(parts[i].substring(0, equals), Double.parseDouble(parts[i].substring(equals + 1)));
    }
    return new Measured(parts[0], parts[1], Long.parseLong(parts[2]), parts[3], values);
  }

  /** A value; NaN where it was not measured. */
  double value(String name) {
    return values.getOrDefault(name, Double.NaN);
  }

  /** A file of lines, to which a run appends: what it has is not measured again. */
  static final class Lines {
    private final Path file;
    private final List<Measured> all = new ArrayList<>();

    Lines(Path file) {
      this.file = file;
      try {
        if (Files.exists(file)) {
          Files.readAllLines(file).stream().map(Measured::parse).forEach(all::add);
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    boolean has(String figure, String data, long seed, String part) {
      return all.stream()
          .anyMatch(
              one ->
                  one.figure.equals(figure)
                      && one.data.equals(data)
                      && one.seed == seed
                      && one.part.equals(part));
    }

    void add(Measured one) {
      try {
        Files.writeString(
            file, one.line() + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      all.add(one);
    }

    List<Measured> all() {
      return all;
    }
  }
}
