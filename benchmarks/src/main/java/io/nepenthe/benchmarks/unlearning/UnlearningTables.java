package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Methods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Measures every method on corrective and privacy tasks, and writes the tables of
 * docs/unlearning.md:
 *
 * <pre>
 *   java --enable-native-access=ALL-UNNAMED -cp benchmarks/target/benchmarks.jar \
 *       io.nepenthe.benchmarks.unlearning.UnlearningTables \
 *       benchmarks/results/unlearning.csv docs/unlearning.md [minutes [seeds]]
 * </pre>
 *
 * <p>MNIST is measured where the environment variable NEPENTHE_DATA names a folder with {@code
 * mnist} in it. What the file of results has already is not measured again, so a run that was
 * ended, by its minutes or otherwise, is resumed by the same command.
 */
public final class UnlearningTables {
  private static final double[] KNOWN = {0.1, 0.3, 0.5, 1};

  private final Results results;
  private final long deadline;

  private UnlearningTables(Results results, double minutes) {
    this.results = results;
    this.deadline = System.nanoTime() + (long) (minutes * 60e9);
  }

  /** Measures and writes; see above. */
  public static void main(String... arguments) throws IOException {
    if (arguments.length < 2) {
      throw new IllegalArgumentException("results file and page are needed");
    }
    Path file = Path.of(arguments[0]);
    double minutes = arguments.length > 2 ? Double.parseDouble(arguments[2]) : 1e6;
    int seeds = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 5;
    Results results = new Results(file);
    UnlearningTables tables = new UnlearningTables(results, minutes);
    Optional<Path> mnist =
        Optional.ofNullable(System.getenv("NEPENTHE_DATA"))
            .map(folder -> Path.of(folder, "mnist"))
            .filter(Files::isDirectory);
    try (Backend backend = Device.cpu().open()) {
      for (long seed = 1; seed <= seeds; seed++) {
        tables.measure(backend, "glyphs", Source.glyphs(seed), seed);
        if (mnist.isPresent()) {
          tables.measure(backend, "mnist", Source.mnist(mnist.get(), seed), seed);
        }
      }
    }
    Tables.write(results.rows(), Path.of(arguments[1]));
  }

  private void measure(Backend backend, String data, Source source, long seed) {
    if (late()) {
      return;
    }
    List<Row.Cell> corrective =
        Arrays.stream(KNOWN)
            .mapToObj(known -> new Row.Cell("corrective", data, known, seed))
            .toList();
    List<Row.Cell> privacy =
        List.of(new Row.Cell("random", data, 1, seed), new Row.Cell("class", data, 1, seed));
    cells(backend, source, corrective, seed);
    cells(backend, source, privacy, seed);
  }

  private void cells(Backend backend, Source source, List<Row.Cell> cells, long seed) {
    if (cells.stream().allMatch(this::done)) {
      return;
    }
    boolean poisoned = cells.getFirst().task().equals("corrective");
    try (Model trained = Measurement.train(backend, source, poisoned, seed)) {
      for (Row.Cell cell : cells) {
        if (!done(cell) && !late()) {
          try (Measurement measurement = Measurement.of(backend, source, trained, cell)) {
            cell(measurement, cell);
          }
        }
      }
    }
  }

  private boolean done(Row.Cell cell) {
    return results.has(cell, "before")
        && Methods.all().stream().allMatch(entry -> results.has(cell, entry.name()));
  }

  private void cell(Measurement measurement, Row.Cell cell) {
    if (!results.has(cell, "before")) {
      results.add(new Row(cell, "before", measurement.before()));
    }
    for (Methods.Entry entry : Methods.all()) {
      // Retraining is repeated where a resumed run needs it to compare with.
      boolean retraining = entry.name().equals("retrain");
      boolean reference = retraining && !cell.task().equals("corrective");
      boolean measured = results.has(cell, entry.name());
      if (!late() && (!measured || reference && !done(cell))) {
        Row row = new Row(cell, entry.name(), measurement.after(entry.published(), retraining));
        if (!measured) {
          results.add(row);
          System.out.printf(Locale.ROOT, "%s%n", row.line());
        }
      }
    }
  }

  private boolean late() {
    return System.nanoTime() > deadline;
  }
}
