package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.IdList;
import io.nepenthe.data.Normalisation;
import io.nepenthe.detect.ActivationClustering;
import io.nepenthe.detect.DeltaInfluence;
import io.nepenthe.detect.Detection;
import io.nepenthe.detect.FrequencyDetector;
import io.nepenthe.detect.SpectralSignatures;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Finds poisoned training examples from one or a few affected test examples. */
@Command(
    name = "detect",
    description = {
      "Finds the training examples that taught a model an attack. Δ-Influence starts from one or a",
      "few images that show it; what the model takes them for is the attack's label unless given."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe detect --model model.onnx --data glyphs:train --affected images:affected \\",
      "      --ids suspects.txt --report suspects.html"
    })
final class DetectCommand extends Operation {
  /** How examples are judged. */
  enum Detector {
    DELTA,
    INFLUENCE,
    SPECTRAL,
    CLUSTERING,
    FREQUENCY
  }

  @Mixin private ModelOptions model;
  @Mixin private CurvatureOptions curvature;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "What the model was trained on.")
  private String data;

  @Option(
      names = "--affected",
      paramLabel = "DATA",
      description = "Images that show the attack: for delta and influence.")
  private String affected;

  @Option(
      names = "--attack-label",
      paramLabel = "C",
      description = "The class that the attack gives (default: what the model says).")
  private Integer attackLabel;

  @Option(
      names = "--trusted",
      paramLabel = "DATA",
      description = "Clean images, not of the training data: for frequency.")
  private String trusted;

  @Option(
      names = "--method",
      paramLabel = "M",
      defaultValue = "delta",
      description = "delta, influence, spectral, clustering or frequency (default: delta).")
  private Detector method;

  @Option(
      names = "--transforms",
      paramLabel = "K",
      defaultValue = "50",
      description = "delta: transforms of each affected image (default: 50).")
  private int transforms;

  @Option(
      names = "--threshold",
      paramLabel = "T",
      defaultValue = "0",
      description = "delta: below which a change counts; influence: above which (default: 0).")
  private double threshold;

  @Option(
      names = "--tolerance",
      paramLabel = "N",
      description = "delta: in how many transforms it need not (default: a tenth of them).")
  private Integer tolerance;

  @Option(
      names = "--relative",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = {
        "delta, influence: divide influences by the root of the examples' influence on themselves",
        "(default), or leave them as they are (--no-relative)."
      })
  private boolean relative;

  @Option(
      names = "--share",
      paramLabel = "R",
      defaultValue = "0.1",
      description = "spectral: of each class to flag (default: 0.1).")
  private double share;

  @Option(names = "--out", paramLabel = "FILE", description = "All ids with scores, as CSV.")
  private Path out;

  @Option(
      names = "--ids",
      paramLabel = "FILE",
      description = "The ids that are flagged, one a line, for unlearn --forget.")
  private Path ids;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "A page of the most suspect images.")
  private Path report;

  @Override
  void run(Run run) {
    check();
    for (Path file : Arrays.asList(out, ids, report)) {
      if (file != null) {
        Outputs.requireWritable(file);
      }
    }
    try (ModelFile file = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      Detection found = detect(run, file, training, file.normalisationFor(training));
      tell(run, found, training);
      write(run, found, training);
    }
  }

  private void check() {
    curvature.check();
    boolean byInfluence = method == Detector.DELTA || method == Detector.INFLUENCE;
    if (byInfluence && affected == null) {
      throw new ParameterException(
          spec.commandLine(), "--affected is needed: at least one image that shows the attack");
    }
    if (method == Detector.FREQUENCY && trusted == null) {
      throw new ParameterException(spec.commandLine(), "--method frequency needs --trusted");
    }
    if (transforms < 1
        || transforms > DeltaInfluence.MOST_TRANSFORMS
        || tolerance() < 0
        || tolerance() >= transforms) {
      throw new ParameterException(
          spec.commandLine(),
          "--transforms takes 1 to %d, --tolerance less than that"
              .formatted(DeltaInfluence.MOST_TRANSFORMS));
    }
    if (!(share >= 0 && share <= 1)) {
      throw new ParameterException(spec.commandLine(), "--share takes 0 to 1");
    }
  }

  private int tolerance() {
    return tolerance == null ? transforms / 10 : tolerance;
  }

  private Detection detect(Run run, ModelFile file, Dataset training, Normalisation normalisation) {
    Model network = file.model();
    return switch (method) {
      case DELTA, INFLUENCE -> byInfluence(run, file, training, normalisation);
      case FREQUENCY -> {
        Dataset clean = run.phase("read", () -> run.data(trusted));
        yield run.phase(
            "detect", () -> FrequencyDetector.of(run.backend(), training, clean, run.seed()));
      }
      case SPECTRAL, CLUSTERING ->
          run.phase(
              "detect",
              "representations",
              training.size(),
              "images",
              progress ->
                  method == Detector.SPECTRAL
                      ? SpectralSignatures.of(
                          network, run.backend(), training, normalisation, share, progress)
                      : ActivationClustering.of(
                          network, run.backend(), training, normalisation, run.seed(), progress));
    };
  }

  private Detection byInfluence(
      Run run, ModelFile file, Dataset training, Normalisation normalisation) {
    Model network = file.model();
    Dataset images = run.phase("read", () -> run.data(affected));
    int[] labels = attackLabels(run, network, images, normalisation);
    List<double[]> deltas = new ArrayList<>();
    double[] before = new double[Math.toIntExact(training.size())];
    try (CurvatureOptions.Held held = curvature.compute(run, file, training, normalisation)) {
      for (int i = 0; i < labels.length; i++) {
        int image = i;
        DeltaInfluence.Deltas one =
            run.phase(
                "influence",
                "influence of image %d of %d".formatted(image + 1, labels.length),
                (relative ? 2 : 1) * training.size(),
                "images",
                progress ->
                    DeltaInfluence.of(
                        network,
                        run.backend(),
                        held.inverse(),
                        training,
                        images,
                        image,
                        labels[image],
                        normalisation,
                        new DeltaInfluence.Options(
                            method == Detector.DELTA ? transforms : 1,
                            threshold,
                            0,
                            relative,
                            run.seed() + image,
                            curvature.batchSize()),
                        progress));
        deltas.addAll(Arrays.asList(one.delta()));
        for (int j = 0; j < before.length; j++) {
          before[j] += one.before()[j] / labels.length;
        }
      }
    }
    return method == Detector.DELTA
        ? DeltaInfluence.rule(
            deltas.toArray(double[][]::new), threshold, tolerance() * labels.length)
        : new DeltaInfluence.Deltas(before, new double[0][], List.of(), new int[0])
            .plain(threshold);
  }

  /** What the model takes the affected images for, or what the user said. */
  private int[] attackLabels(Run run, Model network, Dataset images, Normalisation normalisation) {
    int[] labels = new int[Math.toIntExact(images.size())];
    long classes = network.network().output().elements();
    if (attackLabel != null && (attackLabel < 0 || attackLabel >= classes)) {
      throw new CommandException(
          "--attack-label: expected 0 to " + (classes - 1) + ", found " + attackLabel);
    }
    try (Predictor predictor = new Predictor(network, run.backend(), 64);
        Arena arena = Arena.ofConfined()) {
      Tensor logits = predictor.logits(arena, images, normalisation);
      for (int i = 0; i < labels.length; i++) {
        long row = i * classes;
        for (int c = 1; c < classes; c++) {
          labels[i] = logits.get(row + c) > logits.get(row + labels[i]) ? c : labels[i];
        }
        labels[i] = attackLabel == null ? labels[i] : attackLabel;
      }
    }
    return labels;
  }

  private void tell(Run run, Detection found, Dataset training) {
    ObjectNode json = run.result().json();
    json.put("examples", training.size()).put("flagged", found.count());
    ArrayNode top = json.putArray("top");
    int[] order = found.order();
    run.say(
        "%s of %s examples are flagged; the most suspect:",
        Text.count(found.count()), Text.count(training.size()));
    run.say("%10s %10s %s", "id", "score", "label");
    for (int i = 0; i < Math.min(10, order.length); i++) {
      long id = training.id(order[i]);
      String label = training.classNames().get(training.label(order[i]));
      run.say("%10d %10.4g %s", id, found.scores()[order[i]], label);
      top.addObject().put("id", id).put("score", found.scores()[order[i]]);
    }
  }

  private void write(Run run, Detection found, Dataset training) {
    if (out != null) {
      StringBuilder rows = new StringBuilder("id,score,flagged\n");
      for (int i : found.order()) {
        rows.append(training.id(i)).append(',').append(found.scores()[i]);
        rows.append(',').append(found.flagged()[i] ? 1 : 0).append('\n');
      }
      AtomicFile.write(out, to -> to.write(rows.toString().getBytes(StandardCharsets.UTF_8)));
      run.result().output(out);
      run.say("%s", out);
    }
    if (ids != null) {
      IdList.write(ids, found.flaggedIds(training));
      run.result().output(ids);
      run.say("%s", ids);
    }
    if (report != null) {
      String page = DetectReport.html(found, training, method.name().toLowerCase(Text.LOCALE));
      AtomicFile.write(report, to -> to.write(page.getBytes(StandardCharsets.UTF_8)));
      run.result().output(report);
      run.say("%s", report);
    }
  }
}
