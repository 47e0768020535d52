package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.LinearCka;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Settings;
import io.nepenthe.unlearn.Trace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** Trains, forgets and measures, seed by seed and method by method, what was not done before. */
final class Comparison {
  private final Run run;
  private final Plan plan;
  private final Cells cells;

  /**
   * What is compared on what.
   *
   * @param training D
   * @param network trained on it
   * @param task what to forget
   * @param judged what to measure on
   * @param seeds one model each
   */
  record Plan(Dataset training, Network network, Forgetting task, Task judged, List<Long> seeds) {
    /** Everything that decides the results but seed, method and settings. */
    String fingerprint(Run run) {
      ObjectNode json = run.result().json();
      ObjectNode options = ((ObjectNode) json.get("options")).deepCopy();
      // What does not change a single result.
      options.remove(List.of("out", "json", "methods", "set", "seeds", "tune", "threads", "quiet"));
      options.remove(List.of("stacktrace", "device", "relearn"));
      String made =
          options + "\n" + json.get("inputs") + "\n" + json.get("versions").get("nepenthe");
      // Where a class is forgotten altogether, earlier records measured its test data with the
      // rest.
      return judged.forgottenClasses().length == 0 ? made : made + "\nkept test data";
    }
  }

  /**
   * A method's records, or those of the models before.
   *
   * @param name {@code before} or the method's
   * @param cells one a seed; with the reason under {@link Cells#FAILED} where the method failed
   */
  record Row(String name, String title, List<ObjectNode> cells) {
    /** The cells of the seeds with which it did not fail. */
    List<ObjectNode> measured() {
      return cells.stream().filter(cell -> !cell.has(Cells.FAILED)).toList();
    }

    /** The cells of the seeds with which another did not fail. */
    List<ObjectNode> beside(Row other) {
      return IntStream.range(0, cells.size())
          .filter(i -> !other.cells.get(i).has(Cells.FAILED))
          .mapToObj(cells::get)
          .toList();
    }
  }

  Comparison(Run run, Plan plan, Cells cells) {
    this.run = run;
    this.plan = plan;
    this.cells = cells;
  }

  /**
   * Everything; the first row is that of the models before.
   *
   * @param methods the standard first
   * @param relearn whether to measure too how soon each model knows the forgotten again
   */
  List<Row> rows(List<Chosen> methods, boolean relearn) {
    List<Row> rows = new ArrayList<>();
    rows.add(new Row("before", "Before", new ArrayList<>()));
    methods.forEach(method -> rows.add(new Row(method.name(), method.title(), new ArrayList<>())));
    Chosen standard = methods.getFirst();
    for (long seed : plan.seeds) {
      rows.getFirst().cells.add(before(seed));
      rows.get(1).cells.add(standard(seed, standard));
      for (int i = 1; i < methods.size(); i++) {
        rows.get(i + 1).cells.add(after(seed, standard, methods.get(i)));
      }
    }
    if (relearn) {
      run.phase("relearn", () -> relearn(methods, rows));
    }
    long first = plan.seeds.getFirst();
    List<Cells.Key> portrayed = new ArrayList<>(List.of(key(first)));
    methods.forEach(method -> portrayed.add(key(first, method)));
    run.phase("portray", () -> portray(first, portrayed, rows));
    return rows;
  }

  /** The record of the model before, which is trained if there is none. */
  ObjectNode before(long seed) {
    Cells.Key key = key(seed);
    return done(key, () -> trained(key));
  }

  /** The record of the model that others are compared with, which is made if there is none. */
  ObjectNode standard(long seed, Chosen standard) {
    return made(seed, standard, standard);
  }

  /**
   * The record of the model after a method, which is made if there is none. If the method fails,
   * which is kept as well, it has the reason under {@link Cells#FAILED} and nothing measured.
   *
   * @param standard what it is compared with, done before
   */
  ObjectNode after(long seed, Chosen standard, Chosen method) {
    Cells.Key key = key(seed, method);
    Optional<String> known = cells.failure(key);
    if (known.isPresent()) {
      return failed(key, method, known.get());
    }
    try {
      return made(seed, standard, method);
    } catch (Traces.Unusable | IllegalArgumentException e) {
      run.progress().finish();
      cells.fail(key, Failures.message(e));
      return failed(key, method, Failures.message(e));
    }
  }

  private static ObjectNode failed(Cells.Key key, Chosen method, String reason) {
    return node(key, method.title()).put(Cells.FAILED, reason);
  }

  private ObjectNode made(long seed, Chosen standard, Chosen method) {
    Cells.Key key = key(seed, method);
    Models others = new Models(key(seed), key(seed, standard));
    return done(key, () -> forgotten(others, key, method));
  }

  private static Cells.Key key(long seed) {
    return new Cells.Key(seed, "before", "");
  }

  private static Cells.Key key(long seed, Chosen method) {
    return new Cells.Key(seed, method.name(), Settings.of(method.method()).toString());
  }

  /**
   * Models that others are compared with.
   *
   * @param standard trained anew
   */
  private record Models(Cells.Key before, Cells.Key standard) {}

  private ObjectNode done(Cells.Key key, Supplier<ObjectNode> work) {
    return cells
        .find(key)
        .orElseGet(
            () -> {
              run.say("seed %d, %s", key.seed(), key.name());
              return work.get();
            });
  }

  private ObjectNode trained(Cells.Key key) {
    Trainer trainer = plan.task.recipe().withSeed(key.seed());
    long start = System.nanoTime();
    try (ModelFile file =
        ModelFile.of(Model.initialise(plan.network, key.seed()), plan.task.normalisation())
            .withClasses(plan.training)) {
      run.train(
          "train",
          trainer,
          file.model(),
          plan.training,
          plan.task.normalisation(),
          Trainer.Progress.NONE);
      double seconds = (System.nanoTime() - start) / 1e9;
      ObjectNode node = node(key, "Before");
      node.putObject("seconds").put("total", seconds);
      measure(key, file, node);
      cells.keep(key, file, node);
      return node;
    }
  }

  private ObjectNode forgotten(Models others, Cells.Key key, Chosen method) {
    try (ModelFile trained = ModelFile.read(cells.model(others.before));
        Model copy = trained.model().copy()) {
      Trace trace =
          method
              .method()
              .forget(copy, run.backend(), plan.task, key.seed(), new Phases(run.progress()));
      run.progress().finish();
      Traces.requireFinite(copy, key.name());
      Traces.requireGood(trace, key.name(), key.name() + ".");
      ObjectNode node = node(key, method.title());
      Traces.settings(method.method(), node);
      Traces.figures(trace, node);
      ObjectNode seconds = node.putObject("seconds").put("total", trace.totalSeconds());
      trace.seconds().forEach(seconds::put);
      ModelFile file = trained.withModel(copy);
      Observed observed = measure(key, file, node);
      if (!key.equals(others.standard)) {
        try (ModelFile standard = ModelFile.read(cells.model(others.standard))) {
          Metrics.distance(
              plan.judged.observe(standard, run.backend()),
              observed,
              (ObjectNode) node.get("metrics"));
        }
      }
      cells.keep(key, file, node);
      return node;
    }
  }

  private Observed measure(Cells.Key key, ModelFile file, ObjectNode node) {
    run.progress().start("measure", 0, "");
    return run.phase(
        "evaluate",
        () -> {
          Observed observed = plan.judged.observe(file, run.backend());
          ObjectNode metrics = node.putObject("metrics");
          Metrics.of(observed, key.seed(), metrics);
          Metrics.ignorance(plan.judged, file, observed, run.backend(), key.seed(), metrics);
          observed.classes(plan.judged.classNames(), node);
          run.progress().finish();
          return observed;
        });
  }

  /** Adds {@code relearnTime} to the metrics of each record after a method that has none. */
  private void relearn(List<Chosen> methods, List<Row> rows) {
    long all = (long) plan.seeds.size() * methods.size();
    run.progress().start("relearn", all, "models");
    for (int s = 0; s < plan.seeds.size(); s++) {
      long seed = plan.seeds.get(s);
      Optional<Relearning> known = Optional.empty();
      for (int i = 0; i < methods.size(); i++) {
        ObjectNode record = rows.get(i + 1).cells.get(s);
        if (!record.has(Cells.FAILED) && !record.at("/metrics/relearnTime").isNumber()) {
          known = known.or(() -> Optional.of(known(seed)));
          Cells.Key key = key(seed, methods.get(i));
          try (ModelFile file = ModelFile.read(cells.model(key))) {
            record
                .withObject("/metrics")
                .put("relearnTime", known.orElseThrow().rounds(run, file, seed));
            cells.note(key, record);
          }
        }
        run.progress().to((long) s * methods.size() + i + 1);
      }
    }
    run.progress().finish();
  }

  /** What the model before knew of the forgotten. */
  private Relearning known(long seed) {
    try (ModelFile before = ModelFile.read(cells.model(key(seed)))) {
      return Relearning.of(
          plan.judged.onlyForget().observe(before, run.backend()).forget().orElseThrow(),
          plan.training,
          plan.task.forget());
    }
  }

  /** Of the first seed's models the report draws more than rates. */
  private void portray(long seed, List<Cells.Key> keys, List<Row> rows) {
    Portrait portrait = new Portrait(plan.judged, run.backend(), seed);
    run.progress().start("portray", keys.size(), "models");
    LinearCka.Layers before = layers(portrait, keys.get(0));
    LinearCka.Layers standard = layers(portrait, keys.get(1));
    float[][] like = new float[0][];
    for (int i = 0; i < keys.size(); i++) {
      ObjectNode record = rows.get(i).cells.getFirst();
      if (!record.has(Cells.FAILED) && !record.has("detail")) {
        try (ModelFile file = ModelFile.read(cells.model(keys.get(i)))) {
          ObjectNode detail = record.putObject("detail");
          portrait.draw(file, plan.judged.observe(file, run.backend()), like, detail);
          LinearCka.Layers own = portrait.layers(file);
          Portrait.compare(own, before, detail.putObject("likeBefore"));
          Portrait.compare(own, standard, detail.putObject("likeRetrained"));
          cells.note(keys.get(i), record);
        }
      }
      like = i == 0 ? Portrait.embedding(record.get("detail")) : like;
      run.progress().to(i + 1);
    }
    run.progress().finish();
  }

  private LinearCka.Layers layers(Portrait portrait, Cells.Key key) {
    try (ModelFile file = ModelFile.read(cells.model(key))) {
      return portrait.layers(file);
    }
  }

  private static ObjectNode node(Cells.Key key, String title) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("name", key.name())
        .put("title", title)
        .put("seed", key.seed());
  }
}
