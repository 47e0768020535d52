package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Settings;
import io.nepenthe.unlearn.Trace;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

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
      options.remove(List.of("out", "json", "methods", "set", "seeds", "seed", "threads", "quiet"));
      options.remove(List.of("stacktrace", "device"));
      return options + "\n" + json.get("inputs") + "\n" + json.get("versions").get("nepenthe");
    }
  }

  /**
   * A method's records, or those of the models before.
   *
   * @param name {@code before} or the method's
   * @param cells one a seed
   */
  record Row(String name, String title, List<ObjectNode> cells) {}

  Comparison(Run run, Plan plan, Cells cells) {
    this.run = run;
    this.plan = plan;
    this.cells = cells;
  }

  /** Everything; the first row is that of the models before. */
  List<Row> rows(List<Chosen> methods) {
    List<Row> rows = new ArrayList<>();
    rows.add(new Row("before", "Before", new ArrayList<>()));
    methods.forEach(method -> rows.add(new Row(method.name(), method.title(), new ArrayList<>())));
    for (long seed : plan.seeds) {
      Cells.Key before = new Cells.Key(seed, "before", "");
      rows.getFirst().cells.add(done(before, () -> trained(before)));
      for (int i = 0; i < methods.size(); i++) {
        Chosen method = methods.get(i);
        Cells.Key key = new Cells.Key(seed, method.name(), Settings.of(method.method()).toString());
        rows.get(i + 1).cells.add(done(key, () -> forgotten(before, key, method)));
      }
    }
    return rows;
  }

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
    ProgressBar bar = run.progress();
    bar.start("train", trainer.epochs() * plan.training.size(), "samples");
    long start = System.nanoTime();
    try (ModelFile file =
        ModelFile.of(Model.initialise(plan.network, key.seed()), plan.task.normalisation())) {
      trainer.train(
          file.model(),
          run.backend(),
          plan.training,
          plan.task.normalisation(),
          epoch -> bar.to((epoch.epoch() + 1) * plan.training.size()));
      double seconds = (System.nanoTime() - start) / 1e9;
      bar.finish();
      ObjectNode node = node(key, "Before");
      node.putObject("seconds").put("total", seconds);
      return keep(key, file, node);
    }
  }

  private ObjectNode forgotten(Cells.Key before, Cells.Key key, Chosen method) {
    try (ModelFile trained = ModelFile.read(cells.model(before));
        Model copy = trained.model().copy()) {
      Trace trace =
          method
              .method()
              .forget(copy, run.backend(), plan.task, key.seed(), new Phases(run.progress()));
      run.progress().finish();
      ObjectNode node = node(key, method.title());
      Traces.settings(method.method(), node);
      Traces.figures(trace, node);
      ObjectNode seconds = node.putObject("seconds").put("total", trace.totalSeconds());
      trace.seconds().forEach(seconds::put);
      return keep(key, trained.withModel(copy), node);
    }
  }

  private ObjectNode keep(Cells.Key key, ModelFile file, ObjectNode node) {
    run.progress().start("measure", 0, "");
    Observed observed = run.phase("evaluate", () -> plan.judged.observe(file, run.backend()));
    observed.rates(node.putObject("metrics"));
    observed.classes(plan.judged.test().orElseThrow(), node);
    run.progress().finish();
    cells.keep(key, file, node);
    return node;
  }

  private static ObjectNode node(Cells.Key key, String title) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("name", key.name())
        .put("title", title)
        .put("seed", key.seed());
  }
}
