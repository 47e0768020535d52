package io.nepenthe.cli;

import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.curvature.ScoreStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The influence of training examples on queries, or on themselves. */
@Command(
    name = "influence",
    description = {
      "How each training example influences the model on each query: ⟨H⁻¹∇f(query),"
          + " ∇loss(example)⟩.",
      "Positive: leaving the example out raises f. Without --queries, each on its own loss.",
      "The result is safetensors [queries, examples], or, if the file's name ends so, CSV or"
          + " Parquet."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe influence --model model.onnx --data glyphs:train --queries glyphs:test#0-9 \\",
      "      --out scores.safetensors"
    })
final class InfluenceCommand extends Operation {
  @Mixin private ModelOptions model;
  @Mixin private CurvatureOptions curvature;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "What the model was trained on, for instance glyphs:train or idx:IMAGES.")
  private String data;

  @Option(
      names = "--queries",
      paramLabel = "DATA",
      description = "What to explain, for instance the first ten test images: glyphs:test#0-9.")
  private String queries;

  @Option(
      names = "--measurement",
      paramLabel = "F",
      defaultValue = "loss",
      description = "loss, margin (its negative) or log_likelihood (default: loss).")
  private Measurement measurement;

  @Option(
      names = "--query-rank",
      paramLabel = "R",
      defaultValue = "0",
      description = {
        "Cut the queries' preconditioned gradients off after R singular values a layer: many"
            + " queries",
        "then cost less, and scores are nearly the same from R of 16 on (default: not)."
      })
  private int queryRank;

  @Option(names = "--per-layer", description = "Scores of every layer as well (safetensors).")
  private boolean perLayer;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where to write the scores; not needed with --stages.")
  private Path out;

  @Option(
      names = "--stages",
      paramLabel = "DIR",
      description = {
        "With --factors: leave the preconditioned queries, the scores and checkpoints in this"
            + " folder,",
        "so that a run can be resumed or partitioned."
      })
  private Path folder;

  @Mixin private StageArguments stages;

  @Override
  void run(Run run) {
    check();
    if (out != null) {
      run.writes(out);
    }
    try (ModelFile file = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      Normalisation normalisation = file.normalisationFor(training);
      Optional<Dataset> asked =
          queries == null
              ? Optional.empty()
              : Optional.of(run.phase("read", () -> run.data(queries)));
      long passes = asked.map(all -> passes(file.model(), all.size())).orElse(1L);
      if (stages.plan()) {
        Influence.Options options = options(Activations.none());
        long count = asked.map(Dataset::size).orElse(0L);
        Plans.show(
            run, curvature.plan(file, normalisation, run.seed(), training.size(), count, options));
        run.say("%s", curvature.activations(file, training, passes, run.seed()));
        return;
      }
      Path here = folder == null ? Outputs.scratch(out) : folder;
      try (CurvatureOptions.Held held =
              curvature.compute(run, file, training, normalisation, here);
          Activations kept = curvature.activations(run, file, training, passes, here)) {
        Influence.Options options = options(kept);
        if (folder != null) {
          inStages(run, file, held, training, normalisation, asked, options);
          Plans.record(run);
          return;
        }
        try (InfluenceScores scores =
            scores(run, file.model(), held, training, normalisation, asked, options)) {
          run.phase("write", () -> write(scores, training));
        }
        run.result().json().put("examples", training.size());
        run.result().output(out);
        run.say("%s", out);
      }
    }
  }

  private void check() {
    curvature.check();
    if (queryRank < 0 || (queryRank > 0 && queries == null)) {
      throw new ParameterException(
          spec.commandLine(), "--query-rank is 0 or more, and of --queries");
    }
    if (stages.plan()) {
      return;
    }
    if (folder == null ? out == null : curvature.factors().isEmpty()) {
      throw new ParameterException(
          spec.commandLine(),
          folder == null
              ? "--out or --stages is needed"
              : "--stages needs --factors, which nepenthe factors writes");
    }
    if (folder == null && stages.needFolder()) {
      throw new ParameterException(spec.commandLine(), "--partition and --resume need --stages");
    }
  }

  private void inStages(
      Run run,
      ModelFile file,
      CurvatureOptions.Held held,
      Dataset training,
      Normalisation normalisation,
      Optional<Dataset> asked,
      Influence.Options options) {
    StageOptions where = stages.in(folder, spec.commandLine());
    Outputs.requireFolder(folder);
    ScoreStages pipeline =
        curvature.stages(run, file, held, training, normalisation, options, where);
    boolean complete =
        run.phase(
            "score",
            () -> asked.isEmpty() ? pipeline.self() : pipeline.pairwise(asked.get(), measurement));
    if (!complete) {
      run.say("when all partitions are there: nepenthe merge %s, then this again", folder);
    } else if (out != null) {
      String name = queries == null ? ScoreStages.SELF : ScoreStages.PAIRWISE;
      run.phase(
          "write", () -> ScoreFile.copy(folder.resolve(name + ".safetensors"), out, training));
      run.result().output(out);
      run.say("%s", out);
    }
  }

  private Influence.Options options(Activations kept) {
    Influence.Options options =
        Influence.Options.defaults()
            .withBatchSize(curvature.batchSize())
            .withQueryRank(queryRank)
            .withActivations(kept);
    return perLayer ? options.withBlocks() : options;
  }

  /** Over the training data: as many as there are groups of queries. */
  private long passes(Model network, long asked) {
    return Math.ceilDiv(asked, options(Activations.none()).queriesAtOnce(network, asked));
  }

  private InfluenceScores scores(
      Run run,
      Model network,
      CurvatureOptions.Held held,
      Dataset training,
      Normalisation normalisation,
      Optional<Dataset> asked,
      Influence.Options options) {
    if (asked.isEmpty()) {
      return run.phase(
          "score",
          "scores",
          training.size(),
          "images",
          progress ->
              Influence.self(
                  network,
                  run.backend(),
                  held.inverse(),
                  training,
                  normalisation,
                  options,
                  progress));
    }
    return run.phase(
        "score",
        "scores",
        training.size(),
        "images",
        progress ->
            Influence.pairwise(
                network,
                run.backend(),
                held.inverse(),
                asked.get(),
                measurement,
                training,
                normalisation,
                options,
                (done, total) -> progress.report(done * training.size() / total, training.size())));
  }

  private void write(InfluenceScores scores, Dataset training) {
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("statistic", queries == null ? "selfInfluence" : "influence");
    metadata.put("scale", "raw: divide by the examples for the change when one is left out");
    metadata.put("sign", "positive: leaving the example out raises the measurement");
    metadata.put("measurement", queries == null ? "loss" : Text.word(measurement));
    metadata.put("examples", Long.toString(training.size()));
    if (queryRank > 0) {
      metadata.put("query_rank", Integer.toString(queryRank));
    }
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(ScoreFile.ALL, scores.raw());
    tensors.putAll(scores.blocks());
    ScoreFile.write(out, metadata, tensors, training);
  }
}
