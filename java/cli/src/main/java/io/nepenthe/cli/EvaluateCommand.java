package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
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
      "--target is given; forgotten and retained training examples if --train is."
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

  @Override
  void run(Run run) {
    if (forget.given() != (train != null)) {
      throw new ParameterException(
          spec.commandLine(), "--train goes together with --forget, --forget-class or -where");
    }
    try (ModelFile after = model.read(run)) {
      Task task = run.phase("read", () -> task(run));
      List<String> names = new ArrayList<>();
      List<ObjectNode> measured = new ArrayList<>();
      if (before != null) {
        other(run, task, before, "before", names, measured);
      }
      names.add("after");
      measured.add(measure(run, task, after, "after"));
      if (reference != null) {
        other(run, task, reference, "reference", names, measured);
      }
      if (names.size() == 1) {
        names.set(0, "");
      }
      run.progress().finish();
      Task.print(run, names.toArray(String[]::new), measured.toArray(ObjectNode[]::new));
    }
  }

  private Task task(Run run) {
    Dataset test = run.data(data);
    if (train == null) {
      return new Task(
          Optional.of(test), Optional.empty(), Optional.empty(), Task.backdoor(backdoor));
    }
    Dataset training = run.data(train);
    long[] ids = forget.of(training, run);
    return new Task(
        Optional.of(test),
        Optional.of(Subset.ofIds(training, ids)),
        Optional.of(Datasets.without(training, ids)),
        Task.backdoor(backdoor));
  }

  private static void other(
      Run run, Task task, Path file, String name, List<String> names, List<ObjectNode> measured) {
    run.result().input(file);
    try (ModelFile other = ModelFile.read(file)) {
      names.add(name);
      measured.add(measure(run, task, other, name));
    }
  }

  private static ObjectNode measure(Run run, Task task, ModelFile file, String name) {
    ObjectNode node = run.result().json().putObject(name);
    run.progress().start("measure " + name, 0, "");
    run.phase("evaluate", () -> task.measure(file, run.backend(), node));
    return node;
  }
}
