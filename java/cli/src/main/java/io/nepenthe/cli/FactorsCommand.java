package io.nepenthe.cli;

import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.ParameterBlock;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Safetensors;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The Kronecker factors, eigenvectors and corrected eigenvalues of EK-FAC, on their own. */
@Command(
    name = "factors",
    description = {
      "Computes the curvature of EK-FAC over some data. The file holds, for every layer L,",
      "activation_covariance.L and gradient_covariance.L, whose eigenvectors (in columns) are",
      "activation_eigenvectors.L and gradient_eigenvectors.L, and lambda_matrix.L, outputs ×",
      "features. All are means; the counts are in the metadata. Features are ordered kernel row,",
      "kernel column, channel, then the bias."
    },
    footerHeading = "%nExample:%n",
    footer = "  nepenthe factors --model model.onnx --data glyphs:train --out factors.safetensors")
final class FactorsCommand extends Operation {
  @Mixin private ModelOptions model;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The data to average over.")
  private String data;

  @Option(
      names = "--fisher",
      paramLabel = "WHICH",
      defaultValue = "sampled",
      description = "sampled, exact or true labels (default: sampled).")
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
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the safetensors file.")
  private Path out;

  @Override
  void run(Run run) {
    FactorOptions options = options(run.seed());
    Outputs.requireWritable(out);
    try (ModelFile file = model.read(run)) {
      Dataset dataset = run.phase("read", () -> run.data(data));
      Normalisation normalisation = file.normalisationFor(dataset);
      try (KroneckerFactors factors =
              Factors.covariance(run, file.model(), dataset, normalisation, options);
          EkFac ekfac = Factors.lambda(run, file.model(), dataset, normalisation, factors)) {
        run.phase("write", () -> write(factors, ekfac));
        run.result()
            .json()
            .put("samples", ekfac.samples())
            .put("blocks", ekfac.blocks().size())
            .put("negativeEigenvalues", ekfac.clamped());
        run.result().output(out);
        run.say("%s blocks over %s samples", ekfac.blocks().size(), Text.count(ekfac.samples()));
        run.say("%s", out);
      }
    }
  }

  private FactorOptions options(long seed) {
    try {
      FactorOptions options =
          FactorOptions.defaults()
              .withFisher(fisher)
              .withDraws(draws)
              .withBatchSize(batchSize)
              .withSeed(seed);
      options = reduce ? options.withReduce() : options;
      return separateBias ? options.withSeparateBias() : options;
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void write(KroneckerFactors factors, EkFac ekfac) {
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("statistic", "ekfac");
    metadata.put("samples", Long.toString(ekfac.samples()));
    metadata.put("fisher", fisher.name().toLowerCase(Locale.ROOT));
    metadata.put("draws", Integer.toString(draws));
    metadata.put("sharing", reduce ? "reduce" : "expand");
    metadata.put("seed", Long.toString(ekfac.options().seed()));
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    try (Arena arena = Arena.ofConfined()) {
      for (ParameterBlock block : ekfac.blocks()) {
        if (!block.isDiagonal()) {
          metadata.put(
              "num_activation_covariance_processed." + block.name(),
              Long.toString(factors.rows(block)));
          tensors.put(
              "activation_covariance." + block.name(),
              matrices(arena, block.groups(), block.columns(), g -> factors.inputFactor(block, g)));
          tensors.put(
              "gradient_covariance." + block.name(),
              matrices(
                  arena,
                  block.groups(),
                  block.groupOutputs(),
                  g -> factors.gradientFactor(block, g)));
          tensors.put("activation_eigenvectors." + block.name(), ekfac.inputVectors(block));
          tensors.put("gradient_eigenvectors." + block.name(), ekfac.gradientVectors(block));
        }
        tensors.put("lambda_matrix." + block.name(), ekfac.eigenvalues(block));
      }
      Safetensors.write(out, metadata, tensors);
    }
  }

  private interface Matrix {
    double[] of(int group);
  }

  private static Tensor matrices(Arena arena, int groups, long size, Matrix matrix) {
    Tensor tensor = Tensor.zeros(arena, Shape.of(groups, size, size));
    for (int group = 0; group < groups; group++) {
      double[] values = matrix.of(group);
      for (int i = 0; i < values.length; i++) {
        tensor.set((long) group * values.length + i, (float) values[i]);
      }
    }
    return tensor;
  }
}
