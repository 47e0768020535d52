package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Ssd;
import io.nepenthe.unlearn.SsdSearch;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Makes a model forget some of its training examples. */
@Command(
    name = "unlearn",
    description = {
      "Makes a model forget some of its training examples, and writes the model that has.",
      "ssd, selective synaptic dampening, scales down the weights that matter much more to the",
      "forgotten examples than to all. How strongly is chosen by --held-out data, or given."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe unlearn --method ssd --model model.onnx --data npz:poisoned/data.npz \\",
      "      --forget poisoned/known.txt --held-out glyphs:test#0-999 --out forgot.onnx"
    })
final class UnlearnCommand extends Operation {
  @Option(names = "--method", paramLabel = "M", required = true, description = "How: ssd.")
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
      description = "Trusted clean data that was not trained on; chooses the strength.")
  private String heldOut;

  @Option(
      names = "--selection",
      paramLabel = "ALPHA",
      description = "Dampen where the forgotten matter ALPHA times as much as all do.")
  private Float selection;

  @Option(
      names = "--dampening",
      paramLabel = "LAMBDA",
      defaultValue = "0.1",
      description = "Scale by LAMBDA times the ratio of all to forgotten (default: 0.1).")
  private float dampening;

  @Option(
      names = "--scale",
      paramLabel = "S",
      defaultValue = "mass",
      description = "Compare importances brought to one mass, or absolute (default: mass).")
  private Ssd.Scale scale;

  @Option(
      names = "--weighting",
      paramLabel = "W",
      defaultValue = "unit",
      description = "unit: every sample counts the same; or loss, as published (default: unit).")
  private Weighting weighting;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "64",
      description = "Samples at once (default: 64).")
  private int batchSize;

  @Option(
      names = "--test",
      paramLabel = "DATA",
      description = "Also measure before and after on this test data.")
  private String test;

  @Mixin private Backdoor backdoor;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the model.")
  private Path out;

  @Override
  void run(Run run) {
    check();
    Outputs.requireWritable(out);
    try (ModelFile before = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      long[] ids = forget.of(training, run);
      Dataset forgotten = Subset.ofIds(training, ids);
      Dataset retained = Datasets.without(training, ids);
      Task task =
          new Task(
              Optional.ofNullable(test).map(run::data),
              Optional.of(forgotten),
              Optional.of(retained),
              Task.backdoor(backdoor));
      try (Model copy = before.model().copy()) {
        ModelFile after = before.withModel(copy);
        run.result()
            .json()
            .putObject("task")
            .put("forget", forgotten.size())
            .put("train", training.size());
        ssd(run, after, forgotten, retained);
        ObjectNode[] measured = {
          run.result().json().putObject("before"), run.result().json().putObject("after")
        };
        run.progress().start("measure", 0, "");
        run.phase(
            "evaluate",
            () -> {
              task.measure(before, run.backend(), measured[0]);
              task.measure(after, run.backend(), measured[1]);
            });
        run.progress().finish();
        Task.print(run, new String[] {"before", "after"}, measured);
        after.write(out);
        run.result().output(out);
        run.say("%s", out);
      }
    }
  }

  private void check() {
    if (!method.equals("ssd")) {
      throw new ParameterException(
          spec.commandLine(), "--method: expected ssd, found \"" + method + "\"");
    }
    if ((selection == null) == (heldOut == null)) {
      throw new ParameterException(
          spec.commandLine(), "one of --held-out and --selection is needed");
    }
    if (heldOut != null && scale != Ssd.Scale.MASS) {
      throw new ParameterException(
          spec.commandLine(), "--held-out chooses on the scale of equal mass: use --selection");
    }
    if (batchSize < 1) {
      throw new ParameterException(spec.commandLine(), "--batch-size takes 1 or more");
    }
    try {
      new Ssd.Options(selection == null ? 1 : selection, dampening, 1, scale);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void ssd(Run run, ModelFile file, Dataset forgotten, Dataset retained) {
    Normalisation normalisation = file.normalisationFor(retained);
    try (FisherDiagonal rest = fisher(run, file, retained, "retained");
        FisherDiagonal gone = fisher(run, file, forgotten, "forgotten");
        FisherDiagonal whole = rest.union(gone)) {
      Ssd.Options options =
          selection != null
              ? new Ssd.Options(selection, dampening, 1, scale)
              : search(run, file, whole, gone, forgotten, normalisation);
      Ssd.Outcome outcome =
          run.phase("dampen", () -> Ssd.apply(file.model(), run.backend(), whole, gone, options));
      run.result()
          .json()
          .putObject("setting")
          .put("selection", options.selection())
          .put("dampening", options.dampening())
          .put("scale", options.scale().name())
          .put("factor", outcome.factor());
      run.result().json().put("selected", outcome.selected());
      run.say(
          "dampened %s of %s weights, α = %.4g",
          Text.count(outcome.selected()),
          Text.count(file.model().parameters().count()),
          options.selection());
    }
  }

  private Ssd.Options search(
      Run run,
      ModelFile file,
      FisherDiagonal whole,
      FisherDiagonal gone,
      Dataset forgotten,
      Normalisation normalisation) {
    Dataset trusted = run.data(heldOut);
    run.progress().start("choose strength", 0, "");
    SsdSearch usual = SsdSearch.defaults();
    SsdSearch search =
        new SsdSearch(
            usual.weakest(),
            usual.strongest(),
            usual.ratio(),
            dampening,
            usual.tolerance(),
            usual.batchSize());
    SsdSearch.Found found =
        run.phase(
            "search",
            () ->
                search.search(
                    file.model(), run.backend(), whole, gone, trusted, forgotten, normalisation));
    run.progress().finish();
    if (found.verdict() == SsdSearch.Verdict.NONE_TOLERATED) {
      throw new CommandException(
          "no strength of dampening keeps the accuracy on "
              + heldOut
              + ": nothing is written; remedy: choose one with --selection");
    }
    if (found.verdict() == SsdSearch.Verdict.INCOMPLETE) {
      run.say("no strength that the held-out data tolerate forgets all of the examples");
    }
    DemoCommand.curve(run.result().json(), found);
    return found.chosen();
  }

  private FisherDiagonal fisher(Run run, ModelFile file, Dataset images, String which) {
    ProgressBar bar = run.progress();
    bar.start("importance, " + which, images.size(), "images");
    return run.phase(
        "fisher",
        () ->
            FisherDiagonal.of(
                file.model(),
                run.backend(),
                images,
                file.normalisationFor(images),
                FisherDiagonal.Options.defaults().withWeighting(weighting).withBatchSize(batchSize),
                (done, total) -> bar.to(done)));
  }
}
