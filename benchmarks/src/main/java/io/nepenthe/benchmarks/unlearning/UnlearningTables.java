package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Methods;
import java.io.IOException;
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
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Measures every method on corrective and privacy tasks, and writes the tables of
 * docs/unlearning.md and docs/unlearning-tables.md:
 *
 * <pre>
 *   java --enable-native-access=ALL-UNNAMED -cp benchmarks/target/benchmarks.jar \
 *       io.nepenthe.benchmarks.unlearning.UnlearningTables \
 *       benchmarks/results/unlearning.csv docs [minutes [DATA [TASK]]]
 * </pre>
 *
 * <p>MNIST and CIFAR-10 are measured where the environment variable NEPENTHE_DATA names a folder
 * with {@code mnist} and {@code cifar10} in it. What the file of results has already is not
 * measured again, so a run that was ended, by its minutes or otherwise, is resumed by the same
 * command; so are several processes at one time, of which each takes what no other is at. Of every
 * task the settings come first, see {@link Tuning}, then the seeds. The methods that work by
 * influence functions, or on what they flagged, are left out: a page of their own has them.
 */
public final class UnlearningTables {
  private static final List<Long> CORRECTIVE_SEEDS = List.of(1L, 2L, 3L, 4L, 5L);

  /** What is measured. */
  static final List<Methods.Entry> METHODS =
      Methods.all().stream()
          .filter(
              entry ->
                  !Set.of("influence", "woodfisher", "iau", "datamodel", "ssd-fine-tune")
                      .contains(entry.name()))
          .toList();

  /** What a backdoor is measured with among more images: retraining and all that dampens. */
  private static final Set<String> DAMPENING =
      Set.of("retrain", "ssd", "ssd-published", "lfssd", "potion");

  /** The shares of a backdoor's poison that are known. */
  static final double[] KNOWN = {0.1, 1, 0.3, 0.5};

  /** The shares of other manipulations that are known. */
  static final double[] EXTREMES = {0.1, 1};

  private final Results results;
  private final Claims claims;
  private final long deadline;
  private final Backend backend;
  private final Sources sources;

  /** Models as trained, by data, seed and what was done to the images: tasks share them. */
  private final Map<String, Model> trained = new HashMap<>();

  private UnlearningTables(
      Results results, Claims claims, double minutes, Backend backend, Sources sources) {
    this.results = results;
    this.claims = claims;
    this.deadline = System.nanoTime() + (long) (minutes * 60e9);
    this.backend = backend;
    this.sources = sources;
  }

  /** Measures and writes; see above. */
  public static void main(String... arguments) throws IOException {
    if (arguments.length < 2) {
      throw new IllegalArgumentException(
          "the file of results and the folder of the pages are needed");
    }
    Path file = Path.of(arguments[0]);
    double minutes = arguments.length > 2 ? Double.parseDouble(arguments[2]) : 1e6;
    Sources sources =
        new Sources(Optional.ofNullable(System.getenv("NEPENTHE_DATA")).map(Path::of));
    List<Data> data = arguments.length > 3 ? List.of(Data.titled(arguments[3])) : sources.data();
    Predicate<Row.Cell> wanted = cell -> arguments.length < 5 || cell.task().equals(arguments[4]);
    try (Backend backend = Device.cpu().open();
        Claims claims = new Claims(file)) {
      UnlearningTables tables =
          new UnlearningTables(new Results(file), claims, minutes, backend, sources);
      for (Row.Cell cell : cells(data).stream().filter(wanted).toList()) {
        tables.tune(cell);
        tables.measure(cell);
      }
      tables.trained.values().forEach(Model::close);
    }
    Tables.write(new Results(file).rows(), Path.of(arguments[1]));
  }

  /** Everything to measure, in order. */
  private static List<Row.Cell> cells(List<Data> data) {
    List<Data> thorough = data.stream().filter(Data::isThorough).toList();
    List<Row.Cell> cells = new ArrayList<>();
    add(cells, "badnets-5000", thorough, _ -> CORRECTIVE_SEEDS, KNOWN);
    add(cells, "random", data, Data::shown, 1);
    add(cells, "class", data, Data::shown, 1);
    for (String task : Tables.LARGER) {
      add(cells, task, List.of(Data.CIFAR10), _ -> Tables.LARGER_SEEDS, 1);
    }
    add(cells, "badnets", thorough, _ -> CORRECTIVE_SEEDS, KNOWN);
    add(cells, "interclass", thorough, _ -> CORRECTIVE_SEEDS, EXTREMES);
    add(cells, "label-noise", thorough, _ -> CORRECTIVE_SEEDS, EXTREMES);
    return cells;
  }

  private static void add(
      List<Row.Cell> cells,
      String task,
      List<Data> data,
      Function<Data, List<Long>> seeds,
      double... shares) {
    for (Data set : data) {
      for (long seed : seeds.apply(set)) {
        for (double known : shares) {
          cells.add(new Row.Cell(task, set.title(), known, seed));
        }
      }
    }
  }

  private boolean late() {
    return System.nanoTime() > deadline;
  }

  private List<Methods.Entry> methods(Row.Cell cell) {
    return METHODS.stream()
        .filter(entry -> cell.isPrivacy() || !cell.isSized() || DAMPENING.contains(entry.name()))
        .toList();
  }

  /** A task's measurement, its model trained where no other task has. */
  private Measurement open(Row.Cell cell) {
    Source source = sources.of(cell.set(), cell.seed(), cell.images());
    String images = cell.isPrivacy() ? "clean-" + cell.images() : cell.task();
    Model model =
        trained.computeIfAbsent(
            images + cell.data() + cell.seed(), _ -> Measurement.train(backend, source, cell));
    return Measurement.of(backend, source, model, cell);
  }

  /** Tries what the choice of settings for a task needs and was not tried yet. */
  private void tune(Row.Cell cell) {
    List<Methods.Entry> left = untuned(cell);
    if (late() || left.isEmpty()) {
      return;
    }
    Map<Long, Measurement> open = new HashMap<>();
    try {
      for (long seed : Tuning.seeds(cell)) {
        Row.Cell at = cell.withAllKnown().withSeed(seed);
        open.put(seed, open(at));
        try (Claims.Claim _ = claims.await(at)) {
          standards(at, open.get(seed));
        }
      }
      for (; !late() && !left.isEmpty(); left = untuned(cell)) {
        if (left.stream().filter(entry -> tune(cell, entry, open)).count() == 0) {
          await();
        }
      }
    } finally {
      open.values().forEach(Measurement::close);
    }
  }

  private List<Methods.Entry> untuned(Row.Cell cell) {
    return methods(cell).stream().filter(entry -> chosen(cell, entry).isEmpty()).toList();
  }

  /** Tries what a method needs, unless another process does. */
  private boolean tune(Row.Cell cell, Methods.Entry entry, Map<Long, Measurement> open) {
    Row.Cell all = cell.withAllKnown().withSeed(0);
    Optional<Claims.Claim> claim = late() ? Optional.empty() : claims.take(all + entry.name());
    claim.ifPresent(
        it -> {
          try (it) {
            Tuning.settings(
                cell,
                entry,
                (seed, method, settings) -> {
                  Row.Cell at = all.withSeed(seed);
                  return results
                      .find(at, method, settings)
                      .orElseGet(() -> tried(open.get(seed), at, entry, settings));
                });
          }
        });
    return claim.isPresent();
  }

  /** Gives the other processes time. */
  private static void await() {
    try {
      Thread.sleep(2_000);
    } catch (InterruptedException e) {
      throw new IllegalStateException("ended while others choose settings", e);
    }
  }

  /** What is left of a cell, unless another process is at it. */
  private void measure(Row.Cell cell) {
    claims
        .take(cell)
        .ifPresent(
            claim -> {
              try (claim) {
                measureLeft(cell);
              }
            });
  }

  private void measureLeft(Row.Cell cell) {
    List<Methods.Entry> left =
        methods(cell).stream()
            .filter(entry -> results.find(cell, entry.name()).isEmpty())
            .filter(entry -> chosen(cell, entry).isPresent())
            .toList();
    if (late() || left.isEmpty()) {
      return;
    }
    try (Measurement measurement = open(cell)) {
      standards(cell, measurement);
      for (Methods.Entry entry : left) {
        if (!late() && !entry.name().equals("retrain")) {
          tried(measurement, cell, entry, chosen(cell, entry).orElseThrow());
        }
      }
    }
  }

  /** Retraining, which a resumed run repeats as others are compared with it, and no method. */
  private void standards(Row.Cell cell, Measurement measurement) {
    if (!cell.isTuning() || results.find(cell, "retrain").isEmpty()) {
      keep(
          cell,
          "retrain",
          Row.PUBLISHED,
          measurement.retrained(Methods.named("retrain").published()));
    }
    if (results.find(cell, "before").isEmpty()) {
      keep(cell, "before", Row.PUBLISHED, measurement.before());
    }
  }

  /** What was chosen for a task, whatever is known; empty if not all was tried that it needs. */
  private Optional<String> chosen(Row.Cell cell, Methods.Entry entry) {
    try {
      return Optional.of(
          Tuning.settings(
              cell,
              entry,
              (seed, method, settings) ->
                  results
                      .find(cell.withAllKnown().withSeed(seed), method, settings)
                      .orElseThrow()));
    } catch (NoSuchElementException _) {
      return Optional.empty();
    }
  }

  private Row tried(Measurement measurement, Row.Cell cell, Methods.Entry entry, String settings) {
    return keep(cell, entry.name(), settings, values(measurement, entry, settings));
  }

  /** What a method does with some settings; nothing if it refuses them or ruins the model. */
  static SequencedMap<String, Double> values(
      Measurement measurement, Methods.Entry entry, String settings) {
    try {
      return measurement
          .after(Tuning.with(entry.published(), settings))
          .orElseGet(LinkedHashMap::new);
    } catch (IllegalArgumentException e) {
      return new LinkedHashMap<>();
    }
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
