package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Trainer;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Trains a model. */
@Command(
    name = "train",
    description = "Trains a model and writes it as an ONNX file.",
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe train --arch lenet --data glyphs:train --test glyphs:test --out model.onnx"
    })
final class TrainCommand extends Operation {
  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "Training data, for instance glyphs:train, idx:IMAGES or cifar10:DIR.")
  private String data;

  @Option(
      names = "--without",
      paramLabel = "FILE",
      description = "Leave out the examples with the ids in FILE: training anew.")
  private Path without;

  @Mixin private ArchitectureOptions arch;

  @Option(
      names = "--model",
      paramLabel = "FILE",
      description = "Go on with this ONNX file instead.")
  private Path model;

  @Mixin private RecipeOptions recipe;

  @Option(
      names = "--test",
      paramLabel = "DATA",
      description = "Also measure the accuracy on this data.")
  private String test;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the model.")
  private Path out;

  @Override
  void run(Run run) {
    if (arch.given() == (model != null)) {
      throw new ParameterException(spec.commandLine(), "one of --arch and --model is needed");
    }
    Trainer trainer = recipe.trainer(run.seed());
    run.writesModel(out);
    Dataset training = run.phase("read", () -> training(run));
    Optional<Dataset> unseen =
        Optional.ofNullable(test).map(images -> run.phase("read", () -> run.data(images)));
    try (ModelFile file = start(run, training)) {
      // Before the training, which would be lost.
      unseen.ifPresent(images -> requireFit(file, images));
      train(run, trainer, file, training);
      unseen.ifPresent(
          images -> {
            double accuracy = run.phase("evaluate", () -> accuracy(run, file, images));
            run.result().json().put("testAccuracy", accuracy);
            run.say("test accuracy %s", Text.percent(accuracy));
          });
      file.write(out);
      run.result().output(out);
      run.say("%s", out);
    }
  }

  private Dataset training(Run run) {
    Dataset whole = run.data(data);
    if (without == null) {
      return whole;
    }
    run.reads(without);
    return Datasets.without(whole, Datasets.ids(Subset.ofIds(whole, without)));
  }

  private ModelFile start(Run run, Dataset training) {
    if (model != null) {
      return ModelFile.read(model, run);
    }
    return ModelFile.of(
            Model.initialise(arch.network(training), run.seed()), Normalisation.of(training))
        .withClasses(training);
  }

  private void train(Run run, Trainer trainer, ModelFile file, Dataset training) {
    ArrayNode history = run.result().json().putArray("epochs");
    run.train(
        "train",
        trainer,
        file.model(),
        training,
        file.normalisationFor(training),
        epoch ->
            history
                .addObject()
                .put("loss", epoch.meanLoss())
                .put("accuracy", epoch.accuracy())
                .put("seconds", epoch.seconds()));
  }

  private static void requireFit(ModelFile file, Dataset images) {
    Trainer.requireFit(file.model().network(), images, new CrossEntropy());
    file.normalisationFor(images);
  }

  private static double accuracy(Run run, ModelFile file, Dataset images) {
    try (Predictor predictor = new Predictor(file.model(), run.backend(), Task.BATCH)) {
      return predictor.evaluate(images, file.normalisationFor(images)).accuracy();
    }
  }
}
