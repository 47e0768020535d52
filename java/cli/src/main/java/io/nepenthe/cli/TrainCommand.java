package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.IdList;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.MaskedAdam;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import java.nio.file.Path;
import picocli.CommandLine.Command;
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

  @Option(
      names = "--arch",
      paramLabel = "NAME",
      description = "A new network: mlp, lenet, resnet9 or resnet18.")
  private String arch;

  @Option(
      names = "--model",
      paramLabel = "FILE",
      description = "Go on with this ONNX file instead.")
  private Path model;

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "mlp: units of the hidden layer (256); resnets: channels of the first (64).")
  private Integer width;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "10",
      description = "Passes over the data (default: 10).")
  private int epochs;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "64",
      description = "Examples a step (default: 64).")
  private int batchSize;

  /** How weights follow the gradient. */
  private enum Method {
    ADAM,
    SGD
  }

  @Option(
      names = "--optimiser",
      paramLabel = "NAME",
      defaultValue = "adam",
      description = "adam or sgd (default: adam).")
  private Method optimiser;

  @Option(
      names = "--rate",
      paramLabel = "R",
      description = "Learning rate (default: 0.001 for adam, 0.05 for sgd).")
  private Double rate;

  @Option(
      names = "--momentum",
      paramLabel = "M",
      defaultValue = "0.9",
      description = "sgd: momentum (default: 0.9).")
  private double momentum;

  @Option(
      names = "--weight-decay",
      paramLabel = "W",
      defaultValue = "0",
      description = "sgd: weight decay (default: 0).")
  private double weightDecay;

  /** The learning rate over time. */
  private enum Course {
    CONSTANT,
    COSINE,
    LINEAR
  }

  @Option(
      names = "--schedule",
      paramLabel = "NAME",
      defaultValue = "cosine",
      description = "Learning rate over time: constant, cosine or linear (default: cosine).")
  private Course schedule;

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
    if ((arch == null) == (model == null)) {
      throw new ParameterException(spec.commandLine(), "one of --arch and --model is needed");
    }
    Trainer trainer = trainer(run.seed());
    Outputs.requireWritable(out);
    Dataset training = run.phase("read", () -> training(run));
    try (ModelFile file = start(run, training)) {
      train(run, trainer, file, training);
      if (test != null) {
        double accuracy = run.phase("evaluate", () -> accuracy(run, file));
        run.result().json().put("testAccuracy", accuracy);
        run.say("test accuracy %s", Text.percent(accuracy));
      }
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
    run.result().input(without);
    return Datasets.without(whole, IdList.read(without));
  }

  private ModelFile start(Run run, Dataset training) {
    if (model != null) {
      run.result().input(model);
      return ModelFile.read(model);
    }
    return ModelFile.of(
        Model.initialise(network(training), run.seed()), Normalisation.of(training));
  }

  private Network network(Dataset training) {
    Extent input =
        Extent.image(
            training.image().height(), training.image().width(), training.image().channels());
    int classes = training.classes();
    return switch (arch) {
      case "mlp" -> Architectures.mlp(input, classes, width == null ? 256 : width);
      case "lenet" -> Architectures.lenet(input, classes);
      case "resnet9" -> Architectures.resnet9(input, classes, width == null ? 64 : width);
      case "resnet18" -> Architectures.resnet18(input, classes, width == null ? 64 : width);
      default ->
          throw new ParameterException(
              spec.commandLine(),
              "--arch: expected mlp, lenet, resnet9 or resnet18, found \"" + arch + "\"");
    };
  }

  private Trainer trainer(long seed) {
    try {
      Optimiser method =
          optimiser == Method.ADAM
              ? new Optimiser.Adam(
                  MaskedAdam.Options.adam(rate == null ? 1e-3f : rate.floatValue()))
              : Optimiser.sgd(rate == null ? 0.05 : rate, momentum, weightDecay);
      Schedule course =
          switch (schedule) {
            case CONSTANT -> new Schedule.Constant();
            case COSINE -> new Schedule.Cosine(0);
            case LINEAR -> new Schedule.Linear(0);
          };
      return new Trainer(epochs, batchSize, method, course, new CrossEntropy(), seed);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void train(Run run, Trainer trainer, ModelFile file, Dataset training) {
    ArrayNode history = run.result().json().putArray("epochs");
    ProgressBar bar = run.progress();
    bar.start("train", trainer.epochs() * training.size(), "images");
    run.phase(
        "train",
        () ->
            trainer.train(
                file.model(),
                run.backend(),
                training,
                file.normalisationFor(training),
                epoch -> {
                  history
                      .addObject()
                      .put("loss", epoch.meanLoss())
                      .put("accuracy", epoch.accuracy())
                      .put("seconds", epoch.seconds());
                  bar.note(String.format(Text.LOCALE, "loss %.3f", epoch.meanLoss()));
                  bar.to((epoch.epoch() + 1) * training.size());
                }));
    bar.finish();
  }

  private double accuracy(Run run, ModelFile file) {
    Dataset images = run.data(test);
    try (Predictor predictor = new Predictor(file.model(), run.backend(), Measured.BATCH)) {
      return predictor.evaluate(images, file.normalisationFor(images)).accuracy();
    }
  }
}
