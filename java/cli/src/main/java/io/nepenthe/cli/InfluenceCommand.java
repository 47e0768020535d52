package io.nepenthe.cli;

import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Safetensors;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The influence of training examples on queries, or on themselves. */
@Command(
    name = "influence",
    description = {
      "How each training example influences the model on each query: ⟨H⁻¹∇f(query), ∇loss(example)⟩.",
      "Positive: leaving the example out raises f. Without --queries, each on its own loss.",
      "The result is safetensors [queries, examples], or CSV if the file's name ends so."
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

  @Option(names = "--per-layer", description = "Scores of every layer as well (safetensors).")
  private boolean perLayer;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the scores.")
  private Path out;

  @Override
  void run(Run run) {
    curvature.check();
    Outputs.requireWritable(out);
    try (ModelFile file = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      Normalisation normalisation = file.normalisationFor(training);
      try (CurvatureOptions.Held held = curvature.compute(run, file, training, normalisation);
          InfluenceScores scores = scores(run, file.model(), held, training, normalisation)) {
        run.phase("write", () -> write(scores, training));
        run.result()
            .json()
            .put("queries", scores.raw().shape().size(0))
            .put("examples", training.size());
        run.result().output(out);
        run.say("%s", out);
      }
    }
  }

  private InfluenceScores scores(
      Run run,
      Model network,
      CurvatureOptions.Held held,
      Dataset training,
      Normalisation normalisation) {
    Influence.Options options =
        new Influence.Options(
            curvature.batchSize(), perLayer, Influence.Options.defaults().queryBytes());
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
    if (out.toString().toLowerCase(Locale.ROOT).endsWith(".csv")) {
      String text = csv(scores.raw(), training);
      AtomicFile.write(out, to -> to.write(text.getBytes(StandardCharsets.UTF_8)));
      return;
    }
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("statistic", queries == null ? "selfInfluence" : "influence");
    metadata.put("scale", "raw: divide by the examples for the change when one is left out");
    metadata.put("sign", "positive: leaving the example out raises the measurement");
    metadata.put(
        "measurement", queries == null ? "loss" : measurement.name().toLowerCase(Locale.ROOT));
    metadata.put("examples", Long.toString(training.size()));
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("all_modules", scores.raw());
    tensors.putAll(scores.blocks());
    Safetensors.write(out, metadata, tensors);
  }

  private static String csv(Tensor scores, Dataset training) {
    long examples = scores.shape().size(1);
    StringBuilder text = new StringBuilder("query,id,score\n");
    for (long i = 0; i < scores.elements(); i++) {
      text.append(i / examples).append(',').append(training.id(i % examples)).append(',');
      text.append(scores.get(i)).append('\n');
    }
    return text.toString();
  }
}
