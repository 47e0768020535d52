package io.nepenthe.cli;

import io.nepenthe.curvature.ActivationPlan;
import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FactorStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.curvature.StagePlan;
import io.nepenthe.data.Dataset;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The Kronecker factors, eigenvectors and corrected eigenvalues of EK-FAC, in stages. */
@Command(
    name = "factors",
    description = {
      "Computes the curvature of EK-FAC over some data, in three stages that each leave a file:",
      "covariance (sums of activations' and gradients' products), eigen (the eigenvectors of their",
      "means, in columns) and lambda (the sum of squared gradients in that basis). Tensors have"
          + " the",
      "names of the model's weights; every sum has its count beside it. Features are ordered",
      "channel, kernel row, kernel column, then the bias. Stages whose file is there are skipped."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe factors --model model.onnx --data glyphs:train --out factors/",
      "",
      "On four machines with a common folder, I from 1 to 4:",
      "  nepenthe factors --model model.onnx --data glyphs:train --out factors/ --partition I/4",
      "  nepenthe merge factors/",
      "and both once more, for lambda."
    })
final class FactorsCommand extends Operation {
  @Mixin private ModelOptions model;
  @Mixin private FisherOptions fisher;
  @Mixin private StageArguments stages;
  @Mixin private ActivationArguments activations;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The data to average over, for instance glyphs:train or idx:IMAGES.")
  private String data;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "The folder of the files.")
  private Path out;

  @Override
  void run(Run run) {
    fisher.of(spec.commandLine(), 0, run.seed());
    activations.limit();
    StageOptions where = stages.in(out, spec.commandLine());
    Outputs.requireFolder(out);
    try (ModelFile file = model.read(run)) {
      FactorOptions options = fisher.of(spec.commandLine(), file, run.seed());
      Dataset dataset = run.phase("read", () -> run.data(data));
      if (stages.plan()) {
        Plans.show(
            run,
            StagePlan.factors(
                file.model(), dataset.size(), options, Runtime.getRuntime().availableProcessors()));
        run.say("%s", activations(file, options, dataset));
        return;
      }
      try (Activations kept =
          activations.open(run, file.model(), activations(file, options, dataset), out)) {
        compute(run, file, options, dataset, where, kept);
      }
      Plans.record(run);
    }
  }

  /** Of the passes that this command has: a partition's second one waits for the others. */
  private ActivationPlan activations(ModelFile file, FactorOptions options, Dataset dataset) {
    int passes =
        stages.partitioned() || Files.exists(out.resolve("covariance.safetensors")) ? 1 : 2;
    return ActivationPlan.factors(
        file.model(), options, dataset.size(), activations.later(passes), activations.limit());
  }

  private void compute(
      Run run,
      ModelFile file,
      FactorOptions options,
      Dataset dataset,
      StageOptions where,
      Activations kept) {
    FactorStages pipeline =
        run.phase(
            "checksum",
            () ->
                new FactorStages(
                    file.model(),
                    run.backend(),
                    dataset,
                    file.normalisationFor(dataset),
                    options,
                    new OnnxLayout(file.onnx()),
                    where,
                    kept,
                    new StageProgress(run)));
    if (!run.phase("covariance", pipeline::covariance)) {
      run.say("when all partitions are there: nepenthe merge %s, then this again", out);
      return;
    }
    run.phase("eigen", pipeline::eigen);
    if (!run.phase("lambda", pipeline::lambda)) {
      run.say("when all partitions are there: nepenthe merge %s", out);
    }
  }
}
