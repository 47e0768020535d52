package io.nepenthe.cli;

import io.nepenthe.data.Normalisation;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that name a model, and how pixels are normalised for it. */
final class ModelOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--model",
      paramLabel = "FILE",
      required = true,
      description = "The model, an ONNX file.")
  private Path file;

  @Option(
      names = "--mean",
      paramLabel = "M[,M…]",
      description = "Subtract from pixels from 0 to 1, by channel; only if the file does not say.")
  private String mean;

  @Option(names = "--std", paramLabel = "S[,S…]", description = "Then divide by this, by channel.")
  private String std;

  /** Reads the model and notes its file; lines that it gives rise to are printed. */
  ModelFile read(Run run) {
    if ((mean == null) != (std == null)) {
      throw new ParameterException(command.commandLine(), "--mean and --std go together");
    }
    Optional<Normalisation> given = given();
    ModelFile model = ModelFile.read(file, run);
    model.onnx().notes().forEach(note -> run.say("%s", file + ": " + note));
    if (given.isPresent() && model.normalisation().isPresent()) {
      model.close();
      throw new CommandException(
          file
              + ": expected no --mean and --std, found that it says "
              + ModelFile.describe(model.normalisation().get()));
    }
    return given.isPresent() ? new ModelFile(model.onnx(), given) : model;
  }

  private Optional<Normalisation> given() {
    if (mean == null) {
      return Optional.empty();
    }
    try {
      return Optional.of(Normalisation.parse(mean, std));
    } catch (IllegalArgumentException e) {
      throw new ParameterException(command.commandLine(), "--mean and --std: " + e.getMessage(), e);
    }
  }
}
