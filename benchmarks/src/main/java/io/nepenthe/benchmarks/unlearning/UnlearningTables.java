package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;

/**
 * Measures every method on corrective and privacy tasks, and writes the tables of
 * docs/unlearning.md:
 *
 * <pre>
 *   java --enable-native-access=ALL-UNNAMED -cp benchmarks/target/benchmarks.jar \
 *       io.nepenthe.benchmarks.unlearning.UnlearningTables \
 *       benchmarks/results/unlearning.csv docs/unlearning.md [minutes [glyphs|mnist]]
 * </pre>
 *
 * <p>MNIST is measured where the environment variable NEPENTHE_DATA names a folder with {@code
 * mnist} in it. What the file of results has already is not measured again, so a run that was
 * ended, by its minutes or otherwise, is resumed by the same command; two may measure a data set
 * each, into one file. Of every task the settings come first, on seed 0, then the seeds. The
 * methods that work by influence functions are left out: a page of their own has them.
 */
public final class UnlearningTables {
  private static final int SEEDS = 5;

  /** What is measured. */
  static final List<Methods.Entry> METHODS =
      Methods.all().stream()
          .filter(
              entry ->
                  !Set.of("influence", "woodfisher", "iau", "datamodel").contains(entry.name()))
          .toList();

  /** The shares of a backdoor's poison that are known. */
  static final double[] KNOWN = {0.1, 1, 0.3, 0.5};

  /** The shares of other manipulations that are known. */
  static final double[] EXTREMES = {0.1, 1};

  private final Results results;
  private final long deadline;
  private final Backend backend;

  /** Models as trained, by data, seed and what was done to the images: tasks share them. */
  private final Map<String, Model> trained = new HashMap<>();

  private UnlearningTables(Results results, double minutes, Backend backend) {
    this.results = results;
    this.deadline = System.nanoTime() + (long) (minutes * 60e9);
    this.backend = backend;
  }

  /** Measures and writes; see above. */
  public static void main(String... arguments) throws IOException {
    if (arguments.length < 2) {
      throw new IllegalArgumentException("results file and page are needed");
    }
    Path file = Path.of(arguments[0]);
    double minutes = arguments.length > 2 ? Double.parseDouble(arguments[2]) : 1e6;
    Optional<Path> mnist =
        Optional.ofNullable(System.getenv("NEPENTHE_DATA"))
            .map(folder -> Path.of(folder, "mnist"))
            .filter(Files::isDirectory);
    List<String> data =
        arguments.length > 3
            ? List.of(arguments[3])
            : mnist.isPresent() ? List.of("glyphs", "mnist") : List.of("glyphs");
    Results results = new Results(file);
    try (Backend backend = Device.cpu().open()) {
      UnlearningTables tables = new UnlearningTables(results, minutes, backend);
      Map<String, Source> sources = new HashMap<>();
      for (Row.Cell cell : cells(data)) {
        if (!tables.complete(cell) && !tables.late()) {
          tables.measure(
              sources.computeIfAbsent(
                  cell.data() + cell.seed(),
                  _ ->
                      cell.data().equals("glyphs")
                          ? Source.glyphs(cell.seed())
                          : Source.mnist(mnist.orElseThrow(), cell.seed())),
              cell);
        }
      }
      tables.trained.values().forEach(Model::close);
    }
    Tables.write(new Results(file).rows(), Path.of(arguments[1]));
  }

  /** Everything to measure, in order. */
  private static List<Row.Cell> cells(List<String> data) {
    List<Row.Cell> cells = new ArrayList<>();
    add(cells, "random", data, 1);
    add(cells, "badnets", data, KNOWN);
    add(cells, "class", data, 1);
    add(cells, "interclass", data, EXTREMES);
    add(cells, "label-noise", data, EXTREMES);
    return cells;
  }

  private static void add(List<Row.Cell> cells, String task, List<String> data, double... shares) {
    data.forEach(name -> cells.add(new Row.Cell(task, name, 1, 0)));
    for (long seed = 1; seed <= SEEDS; seed++) {
      for (String name : data) {
        for (double known : shares) {
          cells.add(new Row.Cell(task, name, known, seed));
        }
      }
    }
  }

  private boolean late() {
    return System.nanoTime() > deadline;
  }

  private void measure(Source source, Row.Cell cell) {
    String images = cell.isPrivacy() ? "clean" : cell.task();
    Model model =
        trained.computeIfAbsent(
            images + cell.data() + cell.seed(), _ -> Measurement.train(backend, source, cell));
    try (Measurement measurement = Measurement.of(backend, source, model, cell)) {
      // Retraining is repeated by a resumed run: others are compared with it.
      SequencedMap<String, Double> retrained =
          measurement.retrained(Methods.named("retrain").published());
      keep(cell, "retrain", Row.PUBLISHED, retrained);
      keep(cell, "before", Row.PUBLISHED, measurement.before());
      for (Methods.Entry entry : METHODS) {
        if (cell.seed() == 0) {
          settings(cell, entry, settings -> tried(measurement, cell, entry, settings));
        } else if (!late() && results.find(cell, entry.name()).isEmpty()) {
          tried(measurement, cell, entry, chosen(cell, entry));
        }
      }
    }
  }

  private boolean complete(Row.Cell cell) {
    if (cell.seed() > 0) {
      return METHODS.stream().allMatch(entry -> results.find(cell, entry.name()).isPresent());
    }
    try {
      METHODS.forEach(entry -> chosen(cell, entry));
      return true;
    } catch (NoSuchElementException _) {
      return false;
    }
  }

  /**
   * What seed 0 chose for the task, whatever is known.
   *
   * @throws NoSuchElementException if not all was measured that the choice needs
   */
  private String chosen(Row.Cell cell, Methods.Entry entry) {
    return settings(
        new Row.Cell(cell.task(), cell.data(), 1, 0),
        entry,
        settings -> {
          throw new NoSuchElementException("seed 0 of " + cell + " lacks " + entry + settings);
        });
  }

  private String settings(Row.Cell cell, Methods.Entry entry, Tuning.Tried missing) {
    return Tuning.settings(
        cell,
        entry,
        results.find(cell, "before").orElseThrow(),
        results.find(cell, "retrain").orElseThrow(),
        settings ->
            results.find(cell, entry.name(), settings).orElseGet(() -> missing.row(settings)));
  }

  private Row tried(Measurement measurement, Row.Cell cell, Methods.Entry entry, String settings) {
    Method method = Strength.with(entry.published(), settings);
    SequencedMap<String, Double> values;
    try {
      values = measurement.after(method).orElseGet(LinkedHashMap::new);
    } catch (IllegalArgumentException e) {
      // A setting that the method does not take: as useless as one that ruins the model.
      values = new LinkedHashMap<>();
    }
    return keep(cell, entry.name(), settings, values);
  }

  private Row keep(
      Row.Cell cell, String method, String settings, SequencedMap<String, Double> values) {
    Row row = new Row(cell, method, settings, values);
    if (results.find(cell, method, settings).isEmpty()) {
      results.add(row);
      System.out.printf(Locale.ROOT, "%s%n", row.line());
    }
    return row;
  }
}
