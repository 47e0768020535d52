package io.nepenthe.cli;

import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.curvature.ScoreStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.curvature.StagePlan;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
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
      description = "What the model was trained on.")
  private String data;

  @Option(names = "--queries", paramLabel = "DATA", description = "The queries.")
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
      Outputs.requireWritable(out);
    }
    try (ModelFile file = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      Normalisation normalisation = file.normalisationFor(training);
      if (stages.plan()) {
        long asked = queries == null ? 0 : run.data(queries).size();
        FactorOptions factors = curvature.options(file, run.seed());
        Plans.show(run, StagePlan.scores(file.model(), factors, training.size(), asked, options()));
        return;
      }
      try (CurvatureOptions.Held held = curvature.compute(run, file, training, normalisation)) {
        if (folder != null) {
          inStages(run, file, held, training, normalisation);
          Plans.record(run);
          return;
        }
        try (InfluenceScores scores = scores(run, file.model(), held, training, normalisation)) {
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
      Normalisation normalisation) {
    StageOptions where = stages.in(folder, spec.commandLine());
    Outputs.requireFolder(folder);
    ScoreStages pipeline =
        curvature.stages(run, file, held, training, normalisation, options(), where);
    boolean complete =
        queries == null
            ? run.phase("score", pipeline::self)
            : run.phase("score", () -> pipeline.pairwise(run.data(queries), measurement));
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

  private Influence.Options options() {
    Influence.Options options =
        Influence.Options.defaults().withBatchSize(curvature.batchSize()).withQueryRank(queryRank);
    return perLayer ? options.withBlocks() : options;
  }

  private InfluenceScores scores(
      Run run,
      Model network,
      CurvatureOptions.Held held,
      Dataset training,
      Normalisation normalisation) {
    Influence.Options options = options();
    if (queries == null) {
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
    Dataset asked = run.phase("read", () -> run.data(queries));
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
                asked,
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
