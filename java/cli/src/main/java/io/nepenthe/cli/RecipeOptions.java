package io.nepenthe.cli;

import io.nepenthe.kernel.MaskedAdam;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say how to train. */
final class RecipeOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

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

  /**
   * Trains so.
   *
   * @throws ParameterException if a number makes no sense
   */
  Trainer trainer(long seed) {
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
      throw new ParameterException(command.commandLine(), e.getMessage(), e);
    }
  }
}
