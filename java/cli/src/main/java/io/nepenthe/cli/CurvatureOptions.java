package io.nepenthe.cli;

import io.nepenthe.curvature.ActivationPlan;
import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FactorStages;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KfacScaling;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.ScoreStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.curvature.StagePlan;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Mixin;
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

  @Mixin private FisherOptions fisher;

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
      names = "--factors",
      paramLabel = "DIR",
      description = "Take what nepenthe factors wrote there, instead of computing it.")
  private Path factors;

  @Option(
      names = "--kfac-scaling",
      paramLabel = "WHICH",
      defaultValue = "kfc",
      description = {
        "kfac: kfc, or kronfluence, whose layers of T positions have a T-th of it (default: kfc)."
      })
  private KfacScaling scaling;

  @Mixin private ActivationArguments activations;

  /** A curvature and what it is made of. */
  record Held(InverseCurvature inverse, AutoCloseable source) implements AutoCloseable {
    /** Of some layers alone; this is closed with it, or now if there are none of them. */
    Held ofLayers(Set<String> layers) {
      InverseCurvature some = inverse.ofLayers(layers);
      if (some.blocks().isEmpty()) {
        close();
        throw noSuchLayers(layers);
      }
      inverse.close();
      return new Held(some, source);
    }

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
    if (!(damping >= 0) || (absolute != null && !(absolute >= 0))) {
      throw new ParameterException(command.commandLine(), "a damping is 0 or more");
    }
    fisher.of(command.commandLine(), 0, 0);
    activations.limit();
    if (kind != Kind.KFAC && scaling != KfacScaling.KFC) {
      throw new ParameterException(
          command.commandLine(), "--kfac-scaling is that of --curvature kfac");
    }
    if (factors != null) {
      if (kind == Kind.DIAGONAL || kind == Kind.IDENTITY) {
        throw new ParameterException(
            command.commandLine(), "--factors are those of --curvature ekfac or kfac");
      }
      for (String option : List.of("--fisher", "--draws", "--reduce", "--separate-bias")) {
        if (command.commandLine().getParseResult().hasMatchedOption(option)) {
          throw new ParameterException(
              command.commandLine(), option + " is what --factors were computed with");
        }
      }
    }
  }

  /** Samples at once. */
  int batchSize() {
    return fisher.batchSize();
  }

  /** How factors of the model are, or would be, computed. */
  FactorOptions options(ModelFile file, long seed) {
    return fisher.of(command.commandLine(), file, seed);
  }

  /**
   * What the scores of influences will take.
   *
   * @param queries 0 for every example's influence on its own loss
   * @throws CommandException if --layers are none of --factors
   */
  List<StagePlan> plan(
      ModelFile file,
      Normalisation normalisation,
      long seed,
      long samples,
      long queries,
      Influence.Options options) {
    FactorOptions own = options(file, seed);
    FactorOptions held =
        factors == null
            ? own
            : FactorStages.blocks(
                factors, file.model(), normalisation, new OnnxLayout(file.onnx()));
    if (!held.layers().isEmpty()
        && !own.layers().isEmpty()
        && Collections.disjoint(held.layers(), own.layers())) {
      throw noSuchLayers(own.layers());
    }
    return StagePlan.scores(
        file.model(),
        held,
        own.layers(),
        samples,
        queries,
        options,
        Runtime.getRuntime().availableProcessors());
  }

  private static CommandException noSuchLayers(Set<String> layers) {
    return new CommandException(
        "--layers: expected layers of --factors, found " + String.join(", ", layers));
  }

  /** The folder of factors to be read, where they are not to be computed. */
  Optional<Path> factors() {
    return Optional.ofNullable(factors);
  }

  /** Which approximation, in a word or, where it is scaled another way, in two. */
  String word() {
    String word = Text.word(kind);
    return scaling == KfacScaling.KFC ? word : word + ", " + Text.word(scaling) + " scaling";
  }

  Damping damping() {
    return absolute == null ? new Damping(damping, -1, Map.of()) : Damping.absolute(absolute);
  }

  /** Whether several passes of scores, in this command or a later one, keep activations. */
  ActivationPlan activations(ModelFile file, Dataset data, long passes, long seed) {
    return ActivationPlan.scores(
        file.model(),
        options(file, seed),
        data.size(),
        activations.later(passes),
        activations.limit());
  }

  /**
   * Where several passes of scores keep them.
   *
   * @param here a folder for what this command alone needs
   */
  Activations activations(Run run, ModelFile file, Dataset data, long passes, Path here) {
    return activations.open(run, file.model(), activations(file, data, passes, run.seed()), here);
  }

  /**
   * Computes it over the data.
   *
   * @param here a folder for what this command alone needs
   */
  Held compute(Run run, ModelFile file, Dataset data, Normalisation normalisation, Path here) {
    FactorOptions options = options(file, run.seed());
    Held all = compute(run, file, data, normalisation, options, here);
    return options.layers().isEmpty() ? all : all.ofLayers(options.layers());
  }

  /** Stages that keep influences on the data in files, in what was made of --factors. */
  ScoreStages stages(
      Run run,
      ModelFile file,
      Held held,
      Dataset data,
      Normalisation normalisation,
      Influence.Options options,
      StageOptions where) {
    return run.phase(
        "checksum",
        () ->
            new ScoreStages(
                file.model(),
                run.backend(),
                data,
                normalisation,
                held.inverse(),
                factors,
                word(),
                damping(),
                options,
                new OnnxLayout(file.onnx()),
                where,
                new StageProgress(run)));
  }

  private Held compute(
      Run run,
      ModelFile file,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      Path here) {
    Model model = file.model();
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
                            .withLabels(options.fisher())
                            .withBatchSize(batchSize())
                            .withSeed(run.seed()),
                        progress))) {
          yield new Held(InverseCurvature.diagonal(model, diagonal.values(), damping()), () -> {});
        }
      }
      case EKFAC, KFAC -> {
        EkFac ekfac = ekfac(run, file, data, normalisation, options, here);
        yield new Held(
            kind == Kind.EKFAC
                ? InverseCurvature.ekfac(ekfac, damping())
                : InverseCurvature.kfac(ekfac, damping(), scaling, model),
            ekfac);
      }
    };
  }

  private EkFac ekfac(
      Run run,
      ModelFile file,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      Path here) {
    if (factors != null) {
      return run.phase(
          "factors",
          () ->
              FactorStages.read(factors, file.model(), normalisation, new OnnxLayout(file.onnx())));
    }
    Model model = file.model();
    ActivationPlan plan =
        ActivationPlan.factors(
            model, options, data.size(), activations.later(2), activations.limit());
    try (Activations kept = activations.open(run, model, plan, here);
        KroneckerFactors computed =
            Factors.covariance(run, model, data, normalisation, options, kept)) {
      return Factors.lambda(run, model, data, normalisation, computed, kept);
    }
  }
}
