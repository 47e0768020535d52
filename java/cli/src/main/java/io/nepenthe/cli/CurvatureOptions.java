package io.nepenthe.cli;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say which curvature influences are taken in. */
final class CurvatureOptions {
  /** Which approximation. */
  enum Kind {
    EKFAC,
    KFAC,
    DIAGONAL,
    IDENTITY
  }

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--curvature",
      paramLabel = "KIND",
      defaultValue = "ekfac",
      description = "ekfac, kfac, diagonal or identity (default: ekfac).")
  private Kind kind;

  @Option(
      names = "--fisher",
      paramLabel = "WHICH",
      defaultValue = "sampled",
      description = {
        "Labels of the Fisher information: sampled from the model, exact (every one), or true: the",
        "data's (default: sampled)."
      })
  private Labels fisher;

  @Option(
      names = "--damping",
      paramLabel = "SHARE",
      defaultValue = "0.1",
      description = "Of each layer's mean eigenvalue (default: 0.1).")
  private double damping;

  @Option(
      names = "--absolute-damping",
      paramLabel = "L",
      description = "The same number for all layers instead.")
  private Double absolute;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "64",
      description = "Samples at once (default: 64).")
  int batchSize;

  /** A curvature and what it is made of. */
  record Held(InverseCurvature inverse, AutoCloseable source) implements AutoCloseable {
    @Override
    public void close() {
      inverse.close();
      try {
        source.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Refuses what cannot be. */
  void check() {
    if (batchSize < 1) {
      throw new ParameterException(command.commandLine(), "--batch-size takes 1 or more");
    }
    if (!(damping >= 0) || (absolute != null && !(absolute >= 0))) {
      throw new ParameterException(command.commandLine(), "a damping is 0 or more");
    }
    if (fisher == Labels.NONE) {
      throw new ParameterException(command.commandLine(), "--fisher takes sampled, exact or true");
    }
  }

  private Damping damping() {
    return absolute == null ? new Damping(damping, -1, Map.of()) : Damping.absolute(absolute);
  }

  /** Computes it over the data. */
  Held compute(Run run, Model model, Dataset data, Normalisation normalisation) {
    FactorOptions options =
        FactorOptions.defaults().withFisher(fisher).withBatchSize(batchSize).withSeed(run.seed());
    return switch (kind) {
      case IDENTITY -> new Held(InverseCurvature.identity(model), () -> {});
      case DIAGONAL -> {
        try (FisherDiagonal diagonal =
            run.phase(
                "fisher",
                "Fisher diagonal",
                data.size(),
                "images",
                progress ->
                    FisherDiagonal.of(
                        model,
                        run.backend(),
                        data,
                        normalisation,
                        FisherDiagonal.Options.defaults()
                            .withLabels(fisher)
                            .withBatchSize(batchSize)
                            .withSeed(run.seed()),
                        progress))) {
          yield new Held(InverseCurvature.diagonal(model, diagonal.values(), damping()), () -> {});
        }
      }
      case EKFAC, KFAC -> {
        try (KroneckerFactors factors =
            Factors.covariance(run, model, data, normalisation, options)) {
          EkFac ekfac = Factors.lambda(run, model, data, normalisation, factors);
          yield new Held(
              kind == Kind.EKFAC
                  ? InverseCurvature.ekfac(ekfac, damping())
                  : InverseCurvature.kfac(ekfac, damping()),
              ekfac);
        }
      }
    };
  }
}
