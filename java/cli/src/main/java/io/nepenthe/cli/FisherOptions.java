package io.nepenthe.cli;

import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.Labels;
import io.nepenthe.nn.ParametricLayer;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The options that say which Fisher information is computed, and how. */
final class FisherOptions {
  /** One draw a sample is noise that costs accuracy; ten passes are a price that can be paid. */
  private static final int MOST_EXACT = 10;

  @Option(
      names = "--fisher",
      paramLabel = "WHICH",
      description = {
        "Labels of the Fisher information: sampled from the model, exact (every one), or true: the",
        "data's (default: exact for up to ten classes, else sampled)."
      })
  private Labels fisher;

  @Option(
      names = "--draws",
      paramLabel = "N",
      defaultValue = "1",
      description = "sampled: labels drawn for each image (default: 1).")
  private int draws;

  @Option(names = "--reduce", description = "Pool a sample's positions first.")
  private boolean reduce;

  @Option(
      names = "--separate-bias",
      description = "A block of its own for every bias, not a column of the weights'.")
  private boolean separateBias;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "64",
      description = "Samples at once (default: 64).")
  private int batchSize;

  @Option(
      names = "--layers",
      paramLabel = "GLOB",
      split = ",",
      description = {
        "Only weights with such names in the model's file, or layers of such names: conv*,"
            + " *.weight",
        "(default: all)."
      })
  private List<String> layers = List.of();

  int batchSize() {
    return batchSize;
  }

  /**
   * The choices.
   *
   * @param classes of the model
   * @throws ParameterException if they cannot be
   */
  FactorOptions of(CommandLine command, long classes, long seed) {
    Labels otherwise = classes <= MOST_EXACT ? Labels.EXACT : Labels.SAMPLED;
    try {
      FactorOptions options =
          FactorOptions.defaults()
              .withFisher(fisher == null ? otherwise : fisher)
              .withDraws(draws)
              .withBatchSize(batchSize)
              .withSeed(seed);
      options = reduce ? options.withReduce() : options;
      return separateBias ? options.withSeparateBias() : options;
    } catch (IllegalArgumentException e) {
      String message =
          fisher == Labels.NONE ? "--fisher takes sampled, exact or true" : e.getMessage();
      throw new ParameterException(command, message, e);
    }
  }

  /**
   * The choices for a model.
   *
   * @throws ParameterException if they cannot be
   */
  FactorOptions of(CommandLine command, ModelFile file, long seed) {
    return of(command, file.model().network().output().elements(), seed)
        .withLayers(layers(command, file));
  }

  /**
   * The model's layers that were asked for; none if all are wanted.
   *
   * @throws ParameterException if there is none of a name
   */
  Set<String> layers(CommandLine command, ModelFile file) {
    Set<String> wanted = new TreeSet<>();
    for (String glob : layers) {
      Pattern pattern = Pattern.compile("\\Q" + glob.replace("*", "\\E.*\\Q") + "\\E");
      Set<String> found = new TreeSet<>();
      Set<String> names = new TreeSet<>();
      for (ParametricLayer layer : file.model().layers()) {
        String weight = file.onnx().initialiser(layer.weight().spec().name()).name();
        names.add(weight);
        if (pattern.matcher(weight).matches() || pattern.matcher(layer.layer().name()).matches()) {
          found.add(layer.layer().name());
        }
      }
      if (found.isEmpty()) {
        throw new ParameterException(
            command,
            "--layers: expected some of %s, found \"%s\""
                .formatted(String.join(", ", names), glob));
      }
      wanted.addAll(found);
    }
    return wanted;
  }
}
