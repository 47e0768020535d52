package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Network;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that choose a built-in network. */
final class ArchitectureOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--arch",
      paramLabel = "NAME",
      description = "A new network: mlp, lenet, resnet9 or resnet18.")
  private String arch;

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "mlp: units of the hidden layer (256); resnets: channels of the first (64).")
  private Integer width;

  /** The network's name in a sentence. */
  String title() {
    return switch (arch) {
      case "mlp" -> "A perceptron";
      case "lenet" -> "A LeNet";
      case "resnet9" -> "A ResNet-9";
      default -> "A ResNet-18";
    };
  }

  boolean given() {
    return arch != null;
  }

  /**
   * The network for these images and classes.
   *
   * @throws ParameterException if there is none of that name
   */
  Network network(Dataset training) {
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
              command.commandLine(),
              "--arch: expected mlp, lenet, resnet9 or resnet18, found \"" + arch + "\"");
    };
  }
}
