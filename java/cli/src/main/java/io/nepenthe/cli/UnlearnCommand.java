package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.FixedSsd;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import io.nepenthe.unlearn.Ssd;
import io.nepenthe.unlearn.Trace;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Makes a model forget some of its training examples. */
@Command(
    name = "unlearn",
    description = {
      "Makes a model forget some of its training examples, and writes the model that has.",
      "How is chosen by --method; retrain, the standard, trains anew without them, as do others in",
      "part, by the recipe of --epochs, --batch-size, --optimiser, --rate and --schedule."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe unlearn --method ssd --model model.onnx --data npz:poisoned/data.npz \\",
      "      --forget poisoned/known.txt --held-out glyphs:test#0-999 --out forgot.onnx"
    })
final class UnlearnCommand extends Operation {
  @Option(
      names = "--method",
      paramLabel = "M",
      required = true,
      completionCandidates = MethodNames.class,
      description = "How: ${COMPLETION-CANDIDATES}.")
  private String method;

  @Mixin private ModelOptions model;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The training data, with the examples to be forgotten.")
  private String data;

  @Mixin private ForgetOptions forget;

  @Option(
      names = "--held-out",
      paramLabel = "DATA",
      description = {
        "Trusted clean data that was not trained on; ssd and ssd-fine-tune choose their strength by",
        "it, scrub-r its epoch. Without --test it stands for samples never seen in membership",
        "attacks."
      })
  private String heldOut;

  @Option(
      names = "--selection",
      paramLabel = "ALPHA",
      description = "ssd: dampen where the forgotten matter ALPHA times as much as all do.")
  private Float selection;

  @Option(
      names = "--set",
      paramLabel = "NAME=VALUE",
      description = {
        "A setting of the method, any number of times; a wrong NAME lists them. Methods that follow",
        "gradients take maskRatio=R: only the share R of the weights most salient to the forgotten",
        "may change."
      })
  private Map<String, String> settings = new LinkedHashMap<>();

  @Mixin private RecipeOptions recipe;

  @Option(
      names = "--test",
      paramLabel = "DATA",
      description = {
        "Also measure before and after on this test data, and how many of the forgotten a membership",
        "attack tells from it."
      })
  private String test;

  @Mixin private Backdoor backdoor;

  @Mixin private Confused confused;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the model.")
  private Path out;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Draw a report, an HTML page; needs --test.")
  private Path report;

  @Override
  void run(Run run) {
    if (report != null) {
      if (test == null) {
        throw new ParameterException(spec.commandLine(), "--report needs --test");
      }
      run.writes(report);
    }
    if (test == null && (backdoor.target != null || confused.given())) {
      throw new ParameterException(
          spec.commandLine(), "--target and --confused are measured on --test, which is missing");
    }
    Method how = method();
    Trainer trainer = recipe.trainer(run.seed());
    run.writesModel(out);
    try (ModelFile before = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      long[] ids = forget.of(training, run);
      Forgetting forgetting =
          Forgetting.ofIds(training, ids, before.normalisationFor(training), trainer);
      Forgetting task = heldOut == null ? forgetting : forgetting.withHeldOut(run.data(heldOut));
      Optional<Dataset> tested = Optional.ofNullable(test).map(run::data);
      Task judged =
          new Task(
              tested,
              Optional.of(task.forget()),
              Optional.of(task.retain()),
              tested.isPresent() ? Optional.empty() : task.heldOut(),
              Task.backdoor(backdoor),
              tested.flatMap(confused::of));
      try (Model copy = before.model().copy()) {
        ModelFile after = before.withModel(copy);
        ObjectNode told =
            run.result()
                .json()
                .putObject("task")
                .put("forget", task.forget().size())
                .put("train", training.size());
        Forgotten.to(told, judged);
        ObjectNode seconds = forget(run, how, copy, task);
        List<String> notes = notes(how, judged, task.heldOut(), told);
        List<Portrayed> models = measure(run, judged, before, after, seconds);
        if (after.isSame(before)) {
          notes.add(method + " changed no weight: the model is the one before, to the bit");
        }
        Optional<String> warning = warn(run, models);
        Notes.to(run, notes);
        after.write(out);
        run.result().output(out);
        if (report != null) {
          report(run, judged, models, Stream.concat(notes.stream(), warning.stream()).toList());
        }
        run.say("%s", out);
      }
    }
  }

  /**
   * What must be known to read the figures; which samples stand for those never seen, and whether
   * the method chose by them, joins the task.
   */
  private List<String> notes(Method how, Task judged, Optional<Dataset> trusted, ObjectNode told) {
    Optional<Dataset> chosenBy = trusted.filter(_ -> how.needsHeldOut());
    List<String> notes = new ArrayList<>(Caveats.of(judged, chosenBy, false));
    Optional<Dataset> neverSeen = judged.test().or(judged::heldOut);
    if (neverSeen.isEmpty()) {
      return notes;
    }
    boolean chose =
        chosenBy
            .filter(it -> test == null || Overlap.between(judged.test().orElseThrow(), it))
            .isPresent();
    told.putObject("nonMembers")
        .put("data", test == null ? "heldOut" : "test")
        .put("samples", neverSeen.get().size())
        .put("independent", !chose);
    if (test == null) {
      notes.add(
          "There are no test data: in membership attacks the %s held-out samples stand for samples"
                  .formatted(Text.count(neverSeen.get().size()))
              + " never seen");
    }
    if (chose && test == null) {
      notes.add(
          "%s chose by the held-out data, so that no figure in which they have a part is independent"
                  .formatted(method)
              + " of that choice");
    }
    if (report != null && !method.equals(Chosen.STANDARD)) {
      notes.add(
          "What these figures should be, only a model trained anew without the forgotten says:"
              + " unlearn --method retrain makes one, evaluate --reference compares with it");
    }
    return notes;
  }

  private Method method() {
    try {
      Method published = Methods.named(method).published();
      if (selection != null && !method.equals("ssd")) {
        throw new IllegalArgumentException("--selection is for --method ssd");
      }
      if (method.equals("ssd") && (selection == null) == (heldOut == null)) {
        throw new IllegalArgumentException("ssd needs one of --held-out and --selection");
      }
      Method chosen =
          selection == null
              ? published
              : new FixedSsd(
                  FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT),
                  Ssd.Options.mass(selection));
      Method how = Settings.with(chosen, settings);
      if (how.needsHeldOut() && heldOut == null) {
        throw new IllegalArgumentException(method + " needs --held-out");
      }
      return how;
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private ObjectNode forget(Run run, Method how, Model copy, Forgetting task) {
    Trace trace = how.forget(copy, run.backend(), task, run.seed(), new Phases(run.progress()));
    run.progress().finish();
    Traces.requireFinite(copy, method);
    Traces.requireGood(trace, method, "");
    trace.seconds().forEach(run.result()::seconds);
    ObjectNode json = run.result().json();
    Traces.settings(how, json);
    Traces.figures(trace, json);
    Traces.say(run, trace);
    ObjectNode seconds = json.objectNode().put("total", trace.totalSeconds());
    trace.seconds().forEach(seconds::put);
    return seconds;
  }

  private List<Portrayed> measure(
      Run run, Task judged, ModelFile before, ModelFile after, ObjectNode seconds) {
    ObjectNode nothing = seconds.objectNode();
    List<Portrayed> models =
        List.of(
            measured(run, judged, before, "before", "Before", nothing),
            measured(run, judged, after, "after", Methods.named(method).title(), seconds));
    run.progress().finish();
    Task.print(
        run,
        new String[] {"before", "after"},
        models.stream().map(Portrayed::metrics).toArray(ObjectNode[]::new));
    return models;
  }

  private Optional<String> warn(Run run, List<Portrayed> models) {
    ObjectNode json = run.result().json();
    Optional<String> warning =
        TooStrong.of(
            method,
            json.get("settings"),
            "",
            new JsonNode[] {models.getFirst().metrics()},
            new JsonNode[] {models.getLast().metrics()});
    ArrayNode warnings = json.putArray("warnings");
    warning.ifPresent(
        it -> {
          warnings.add(it);
          run.say("warning: %s", it);
        });
    return warning;
  }

  private void report(Run run, Task judged, List<Portrayed> models, List<String> notes) {
    long forgotten = judged.forget().orElseThrow().size();
    Portrayed.report(
        run,
        report,
        "Nepenthe: a model forgets",
        "A model was made to forget %s of its %s training examples by %s, in %s."
            .formatted(
                Text.count(forgotten),
                Text.count(forgotten + judged.retain().orElseThrow().size()),
                Methods.named(method).title(),
                Text.seconds(models.getLast().seconds().get("total").asDouble())),
        judged,
        models,
        ComparisonPage.Extras.notes(notes));
    run.say("%s", report);
  }

  private static Portrayed measured(
      Run run, Task judged, ModelFile file, String name, String title, ObjectNode seconds) {
    run.progress().start("measure " + name, 0, "");
    Observed observed = run.phase("evaluate", () -> judged.observe(file, run.backend()));
    ObjectNode node = run.result().json().putObject(name);
    run.phase("metrics", () -> Metrics.brief(observed, run.seed(), node));
    observed.classes(judged.classNames(), node);
    return new Portrayed(name, title, file, observed, node, seconds);
  }
}
