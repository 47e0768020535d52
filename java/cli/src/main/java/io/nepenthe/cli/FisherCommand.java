package io.nepenthe.cli;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Safetensors;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The diagonal of the Fisher information, on its own. */
@Command(
    name = "fisher",
    description = {
      "Computes the diagonal of the Fisher information: for every weight the mean over the data of",
      "its squared gradient, sample by sample. One tensor an ONNX initialiser, under its name."
    },
    footerHeading = "%nExample:%n",
    footer = "  nepenthe fisher --model model.onnx --data glyphs:train --out fisher.safetensors")
final class FisherCommand extends Operation {
  @Mixin private ModelOptions model;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The data to average over.")
  private String data;

  @Option(
      names = "--labels",
      paramLabel = "WHICH",
      defaultValue = "true",
      description = {
        "true: the data's; sampled: one drawn from the softmax; exact: every one, weighted by the",
        "softmax; none: no labels, needs --batch-squared (default: true)."
      })
  private Labels labels;

  @Option(
      names = "--weighting",
      paramLabel = "W",
      defaultValue = "loss",
      description = "loss, the definition; or unit: every sample counts the same (default: loss).")
  private Weighting weighting;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "64",
      description = "Samples at once (default: 64).")
  private int batchSize;

  @Option(
      names = "--batch-squared",
      description = "Square each batch's mean gradient, as SSD's reference code does.")
  private boolean batchSquared;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the safetensors file.")
  private Path out;

  @Override
  void run(Run run) {
    FisherDiagonal.Options options = options(run.seed());
    run.writes(out);
    try (ModelFile file = model.read(run)) {
      Dataset dataset = run.phase("read", () -> run.data(data));
      FisherDiagonal fisher =
          run.phase(
              "fisher",
              "importance",
              dataset.size(),
              "images",
              progress ->
                  FisherDiagonal.of(
                      file.model(),
                      run.backend(),
                      dataset,
                      file.normalisationFor(dataset),
                      options,
                      progress));
      try (fisher;
          Arena arena = Arena.ofConfined()) {
        run.phase(
            "write",
            () ->
                Safetensors.write(
                    out, metadata(fisher), file.onnx().toOnnx(fisher.values(), arena)));
        run.result()
            .json()
            .put("samples", fisher.samples())
            .put("parameters", fisher.values().count())
            .put("trace", fisher.trace());
        run.say("trace %.6g over %s samples", fisher.trace(), Text.count(fisher.samples()));
      }
      run.result().output(out);
      run.say("%s", out);
    }
  }

  private FisherDiagonal.Options options(long seed) {
    if (batchSize < 1) {
      throw new ParameterException(spec.commandLine(), "--batch-size takes 1 or more");
    }
    if (labels == Labels.NONE && !batchSquared) {
      throw new ParameterException(spec.commandLine(), "--labels none needs --batch-squared");
    }
    return new FisherDiagonal.Options(labels, weighting, batchSize, batchSquared, seed);
  }

  private Map<String, String> metadata(FisherDiagonal fisher) {
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("statistic", "fisherDiagonal");
    metadata.put("samples", Long.toString(fisher.samples()));
    metadata.put("labels", labels.name().toLowerCase(Locale.ROOT));
    metadata.put("weighting", weighting.name().toLowerCase(Locale.ROOT));
    metadata.put("batchSquared", Boolean.toString(batchSquared));
    return metadata;
  }
}
