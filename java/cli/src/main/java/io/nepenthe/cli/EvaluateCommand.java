package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.LikelihoodRatio;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Measures a model. */
@Command(
    name = "evaluate",
    description = {
      "Measures a model: accuracy, by class too, and the confusion of classes; attack success if",
      "--target is given; what it still knows of the forgotten, by membership attacks too, if",
      "--train is; how far it is from one trained anew if --reference is."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe evaluate --model model.onnx --data glyphs:test --target 0 \\",
      "      --train npz:poisoned/data.npz --forget poisoned/known.txt"
    })
final class EvaluateCommand extends Operation {
  @Mixin private ModelOptions model;

  @Option(names = "--data", paramLabel = "DATA", required = true, description = "Test data.")
  private String data;

  @Option(
      names = "--train",
      paramLabel = "DATA",
      description = "Training data, of which some are to be forgotten.")
  private String train;

  @Mixin private ForgetOptions forget;

  @Mixin private Backdoor backdoor;

  @Mixin private Confused confused;

  @Option(
      names = "--before",
      paramLabel = "FILE",
      description = "Measure this model too: before forgetting.")
  private Path before;

  @Option(
      names = "--reference",
      paramLabel = "FILE",
      description = "Measure this model too: trained anew without the forgotten.")
  private Path reference;

  @Option(
      names = "--shadows",
      paramLabel = "N",
      description = {
        "Train N pairs of shadow models as the options below say, and add the likelihood-ratio",
        "attack; needs --train."
      })
  private Integer shadows;

  @Mixin private RecipeOptions recipe;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = {
        "Draw a report of the models, an HTML page; needs --train, and --before or --reference or",
        "both."
      })
  private Path report;

  @Override
  void run(Run run) {
    if (forget.given() != (train != null)) {
      throw new ParameterException(
          spec.commandLine(), "--train goes together with --forget, --forget-class or -where");
    }
    if (shadows != null && (shadows < 1 || shadows > 1000 || train == null)) {
      throw new ParameterException(
          spec.commandLine(), "--shadows takes 1 to 1000 and needs --train");
    }
    if (report != null) {
      if (train == null || before == null && reference == null) {
        throw new ParameterException(
            spec.commandLine(), "--report needs --train, and --before or --reference");
      }
      run.writes(report);
    }
    try (ModelFile after = model.read(run);
        Files files = new Files(run, before, reference)) {
      Dataset training = train == null ? null : run.phase("read", () -> run.data(train));
      Task task = run.phase("read", () -> task(run, training));
      List<Portrayed> models = new ArrayList<>();
      files.before.ifPresent(file -> models.add(measure(run, task, file, "before", "Before")));
      models.add(measure(run, task, after, "after", "After"));
      files.reference.ifPresent(
          file -> {
            Portrayed standard = measure(run, task, file, Chosen.STANDARD, "Trained anew");
            models.forEach(one -> one.toStandard(run, task, standard));
            models.add(standard);
          });
      if (shadows != null) {
        likelihoodRatio(run, task, after, models);
      }
      if (files.before.isPresent() && training != null) {
        relearn(run, task, training, models);
      }
      run.progress().finish();
      Task.print(
          run,
          models.stream().map(one -> models.size() == 1 ? "" : key(one)).toArray(String[]::new),
          models.stream().map(Portrayed::metrics).toArray(ObjectNode[]::new));
      List<String> notes = notes(task);
      if (files.before.isPresent() && files.reference.isPresent() && !task.isRepair()) {
        Inconclusive.of(models.getFirst().metrics(), models.getLast().metrics())
            .ifPresent(notes::add);
      }
      files
          .before
          .filter(after::isSame)
          .ifPresent(_ -> notes.add("The model is the one before, to the bit: it forgot nothing"));
      files
          .reference
          .filter(after::isSame)
          .ifPresent(
              _ ->
                  notes.add(
                      "The model is the one trained anew, to the bit: that nothing is between them"
                          + " shows nothing of a method"));
      Notes.to(run, notes);
      if (report != null) {
        Portrayed.report(
            run,
            report,
            "Nepenthe: what a model still knows",
            "What a model still knows of %s of its %s training examples, which it was to forget."
                .formatted(
                    Text.count(task.forget().orElseThrow().size()), Text.count(training.size())),
            task,
            models,
            ComparisonPage.Extras.notes(notes));
        run.say("%s", report);
      }
    }
  }

  /** What must be known to read the figures, and what a report lacks. */
  private List<String> notes(Task task) {
    List<String> notes = new ArrayList<>(Caveats.of(task, Optional.empty(), true));
    int least = LikelihoodRatio.LEAST_FOR_ONE_PERCENT;
    if (shadows != null && task.strangers().size() < least) {
      notes.add(
          "The likelihood ratio has no rate at 1 %% of the test samples: it needs %d, found %s"
              .formatted(least, Text.count(task.strangers().size())));
    }
    if (report != null && before == null) {
      notes.add(
          "There is no --before: what the model knew before it forgot is not shown, nor how soon"
              + " it would know it again");
    }
    if (report != null && reference == null) {
      notes.add(
          "There is no --reference: a model trained anew without the forgotten, which alone says"
              + " what these figures should be, is not shown, nor how far this one is from it");
    }
    return notes;
  }

  /** The other models, where they are given. */
  private record Files(Optional<ModelFile> before, Optional<ModelFile> reference)
      implements AutoCloseable {
    Files(Run run, Path before, Path reference) {
      this(open(run, before), open(run, reference));
    }

    private static Optional<ModelFile> open(Run run, Path file) {
      return Optional.ofNullable(file).map(it -> ModelFile.read(it, run));
    }

    @Override
    public void close() {
      before.ifPresent(ModelFile::close);
      reference.ifPresent(ModelFile::close);
    }
  }

  private Task task(Run run, Dataset training) {
    Optional<Dataset> test = Optional.of(run.data(data));
    Optional<Confused.Pair> pair = test.flatMap(confused::of);
    if (training == null) {
      return new Task(
          test,
          Optional.empty(),
          Optional.empty(),
          Optional.empty(),
          Task.backdoor(backdoor),
          pair);
    }
    long[] ids = forget.of(training, run);
    Task task =
        new Task(
            test,
            Optional.of(Subset.ofIds(training, ids)),
            Optional.of(Datasets.without(training, ids)),
            Optional.empty(),
            Task.backdoor(backdoor),
            pair);
    Forgotten.to(run.result().json().putObject("task"), task);
    if (shadows != null && task.strangers().size() == 0) {
      throw new CommandException(
          data + ": expected test data of the classes to be forgotten for --shadows, found none");
    }
    return task;
  }

  /** What a model is called in the result file. */
  private static String key(Portrayed model) {
    return model.name().equals(Chosen.STANDARD) ? "reference" : model.name();
  }

  private static Portrayed measure(Run run, Task task, ModelFile file, String name, String title) {
    ObjectNode seconds = JsonNodeFactory.instance.objectNode();
    run.progress().start("measure " + name, 0, "");
    Observed observed = run.phase("evaluate", () -> task.observe(file, run.backend()));
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    run.phase(
        "metrics",
        () -> {
          Metrics.of(observed, run.seed(), node);
          Metrics.ignorance(task, file, observed, run.backend(), run.seed(), node);
          observed.classes(task.classNames(), node);
        });
    Portrayed portrayed = new Portrayed(name, title, file, observed, node, seconds);
    run.result().json().set(key(portrayed), node);
    return portrayed;
  }

  /** The attack by shadow models, which are trained once for all models. */
  private void likelihoodRatio(Run run, Task task, ModelFile like, List<Portrayed> models) {
    Dataset strangers = task.strangers();
    LikelihoodRatio attack =
        run.phase(
            "shadows",
            "train shadow models",
            2L * shadows,
            "models",
            progress ->
                LikelihoodRatio.train(
                    like.model().network(),
                    run.backend(),
                    recipe.trainer(run.seed()),
                    task.retain().orElseThrow(),
                    task.forget().orElseThrow(),
                    strangers,
                    like.normalisationFor(strangers),
                    shadows,
                    run.seed(),
                    progress));
    for (Portrayed model : models) {
      LikelihoodRatio.Outcome outcome =
          attack.attack(model.observed().forget().orElseThrow(), model.observed().strangers());
      ObjectNode member = model.metrics().withObject("/membershipInference");
      Metrics.put(member, "likelihoodRatio", outcome.areaUnderCurve());
      Metrics.put(member, "likelihoodRatioAtOnePercent", outcome.truePositiveRate());
      Intervals.ofArea(outcome, model.metrics());
    }
  }

  /** How soon the other models know the forgotten as well as the first one, before, did. */
  private static void relearn(Run run, Task task, Dataset training, List<Portrayed> models) {
    Relearning again =
        Relearning.of(
            models.getFirst().observed().forget().orElseThrow(),
            training,
            task.forget().orElseThrow());
    run.progress().start("relearn", 0, "");
    run.phase(
        "relearn",
        () ->
            models.stream()
                .skip(1)
                .forEach(
                    model ->
                        model
                            .metrics()
                            .put("relearnTime", again.rounds(run, model.file(), run.seed()))));
  }
}
