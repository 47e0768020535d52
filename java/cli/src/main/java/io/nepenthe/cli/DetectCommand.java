package io.nepenthe.cli;

import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.ScoreStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.curvature.StagePlan;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.detect.ActivationClustering;
import io.nepenthe.detect.DeltaInfluence;
import io.nepenthe.detect.Detection;
import io.nepenthe.detect.FrequencyDetector;
import io.nepenthe.detect.LossTrajectories;
import io.nepenthe.detect.SpectralSignatures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Finds poisoned training examples from one or a few affected test examples. */
@Command(
    name = "detect",
    description = {
      "Finds the training examples that taught a model an attack. Δ-Influence starts from one or a",
      "few images that show it; what the model takes them for is the attack's label unless given.",
      "BaDLoss trains a network of the model's kind anew and compares how losses fall with those"
          + " of",
      "trusted images: no attack is assumed, and there may be several."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe detect --model model.onnx --data glyphs:train --affected images:affected \\",
      "      --ids suspects.txt --report suspects.html",
      "  nepenthe detect --model model.onnx --data glyphs:train --method badloss \\",
      "      --trusted glyphs:test#0-249 --ids suspects.txt",
      "",
      "With factors and influences that are kept, so that it can be interrupted or shared:",
      "  nepenthe factors --model model.onnx --data glyphs:train --out factors/",
      "  nepenthe detect --model model.onnx --data glyphs:train --affected images:affected \\",
      "      --factors factors/ --stages delta/ --resume --ids suspects.txt"
    })
final class DetectCommand extends Operation {
  /** How examples are judged. */
  enum Detector {
    DELTA,
    INFLUENCE,
    SPECTRAL,
    CLUSTERING,
    FREQUENCY,
    BADLOSS
  }

  private static final float RATE = 1e-3f;

  @Mixin private ModelOptions model;
  @Mixin private CurvatureOptions curvature;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "What the model was trained on, for instance glyphs:train or idx:IMAGES.")
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
      description = "Clean images, not of the training data: for frequency and badloss.")
  private String trusted;

  @Option(
      names = "--method",
      paramLabel = "M",
      defaultValue = "delta",
      description =
          "delta, influence, spectral, clustering, frequency or badloss (default: delta).")
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
      description = "spectral: of each class to flag; badloss: of all (default: 0.1).")
  private double share;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "10",
      description = "badloss: passes over the data (default: 10).")
  private int epochs;

  @Option(
      names = "--neighbours",
      paramLabel = "K",
      defaultValue = "20",
      description = "badloss: trusted images whose losses are nearest (default: 20).")
  private int neighbours;

  @Option(
      names = "--stages",
      paramLabel = "DIR",
      description = {
        "delta, influence, with --factors: leave preconditioned queries, scores and checkpoints in",
        "this folder, so that a run can be resumed or partitioned."
      })
  private Path folder;

  @Mixin private StageArguments stages;

  @Mixin private DetectOutputs outputs;

  @Override
  void run(Run run) {
    check();
    outputs.requireWritable(run);
    try (ModelFile file = model.read(run)) {
      Dataset training = run.phase("read", () -> run.data(data));
      Normalisation normalisation = file.normalisationFor(training);
      if (stages.plan()) {
        plan(run, file, training, normalisation);
        return;
      }
      detect(run, file, training, normalisation)
          .ifPresent(found -> outputs.write(run, found, training, Text.word(method)));
      Plans.record(run);
    }
  }

  private boolean byInfluence() {
    return method == Detector.DELTA || method == Detector.INFLUENCE;
  }

  private void plan(Run run, ModelFile file, Dataset training, Normalisation normalisation) {
    long seed = run.seed();
    Influence.Options options = Influence.Options.defaults().withBatchSize(curvature.batchSize());
    long queries = 1 + settings(run, 0).transforms();
    List<StagePlan> plans =
        new ArrayList<>(
            curvature.plan(file, normalisation, seed, training.size(), queries, options));
    if (relative) {
      plans.addAll(curvature.plan(file, normalisation, seed, training.size(), 0, options));
    }
    Plans.show(run, plans);
    run.say("%s", curvature.activations(file, training, passes(images(run)), run.seed()));
  }

  /** How many affected images there are; one if none were named. */
  private long images(Run run) {
    return affected == null ? 1 : run.data(affected).size();
  }

  /** Over the training data: one for every image, and one for the examples' own influence. */
  private long passes(long images) {
    return images + (relative ? 1 : 0);
  }

  private void check() {
    curvature.check();
    if (byInfluence() && affected == null && !stages.plan()) {
      throw new ParameterException(
          spec.commandLine(), "--affected is needed: at least one image that shows the attack");
    }
    if ((method == Detector.FREQUENCY || method == Detector.BADLOSS) && trusted == null) {
      throw new ParameterException(
          spec.commandLine(), "--method " + Text.word(method) + " needs --trusted");
    }
    if (folder == null && stages.needFolder()) {
      throw new ParameterException(spec.commandLine(), "--partition and --resume need --stages");
    }
    if ((folder != null || stages.plan()) && !byInfluence()) {
      throw new ParameterException(
          spec.commandLine(), "--stages and --plan are those of --method delta and influence");
    }
    if (folder != null && curvature.factors().isEmpty()) {
      throw new ParameterException(
          spec.commandLine(), "--stages needs --factors, which nepenthe factors writes");
    }
    if (epochs < 1 || neighbours < 1) {
      throw new ParameterException(spec.commandLine(), "--epochs and --neighbours take 1 or more");
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

  private Optional<Detection> detect(
      Run run, ModelFile file, Dataset training, Normalisation normalisation) {
    Model network = file.model();
    return switch (method) {
      case DELTA, INFLUENCE -> byInfluence(run, file, training, normalisation);
      case FREQUENCY -> {
        Dataset clean = run.phase("read", () -> run.data(trusted));
        yield Optional.of(
            run.phase(
                "detect", () -> FrequencyDetector.of(run.backend(), training, clean, run.seed())));
      }
      case BADLOSS -> Optional.of(byLosses(run, network, training, normalisation));
      case SPECTRAL, CLUSTERING ->
          Optional.of(
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
                              network,
                              run.backend(),
                              training,
                              normalisation,
                              run.seed(),
                              progress)));
    };
  }

  private Detection byLosses(
      Run run, Model network, Dataset training, Normalisation normalisation) {
    Dataset clean = run.phase("read", () -> run.data(trusted));
    Trainer trainer =
        new Trainer(
            epochs,
            curvature.batchSize(),
            Optimiser.adam(RATE),
            new Schedule.Cosine(0),
            new CrossEntropy(),
            run.seed());
    return run.phase(
        "detect",
        "losses",
        epochs,
        "epochs",
        progress ->
            LossTrajectories.of(
                network.network(),
                run.backend(),
                training,
                clean,
                normalisation,
                trainer,
                new LossTrajectories.Options(neighbours, share),
                epoch -> progress.report(epoch.epoch() + 1, epochs)));
  }

  /** How one affected image is compared. */
  private DeltaInfluence.Options settings(Run run, int image) {
    return new DeltaInfluence.Options(
        method == Detector.DELTA ? transforms : 1,
        threshold,
        0,
        relative,
        run.seed() + image,
        curvature.batchSize());
  }

  private Optional<Detection> byInfluence(
      Run run, ModelFile file, Dataset training, Normalisation normalisation) {
    Dataset images = run.phase("read", () -> run.data(affected));
    int[] labels = attackLabels(run, file.model(), images, normalisation);
    List<DeltaInfluence.Deltas> all = new ArrayList<>();
    Path here = folder == null ? outputs.folder() : folder;
    try (CurvatureOptions.Held held = curvature.compute(run, file, training, normalisation, here);
        Activations kept =
            curvature.activations(run, file, training, passes(labels.length), here)) {
      Influence.Options options =
          Influence.Options.defaults().withBatchSize(curvature.batchSize()).withActivations(kept);
      InfluenceDetection detection =
          new InfluenceDetection(
              run, file, training, normalisation, curvature, options, images, labels);
      if (folder == null) {
        all.addAll(detection.inMemory(held, image -> settings(run, image)));
      } else {
        StageOptions where = stages.in(folder, spec.commandLine());
        Outputs.requireFolder(folder);
        ScoreStages pipeline = detection.stages(held, where);
        for (int image = 0; image < labels.length; image++) {
          detection.inStages(pipeline, folder, image, settings(run, image)).ifPresent(all::add);
        }
      }
    }
    if (all.size() < labels.length) {
      run.say(
          "when all partitions are there: nepenthe merge %s%s/image-*, then this again",
          relative ? folder + " " : "", folder);
      return Optional.empty();
    }
    return Optional.of(judge(all));
  }

  /** Of several images the mean influence, or all their transforms together. */
  private Detection judge(List<DeltaInfluence.Deltas> all) {
    double[] before = new double[all.getFirst().before().length];
    List<double[]> deltas = new ArrayList<>();
    for (DeltaInfluence.Deltas one : all) {
      deltas.addAll(Arrays.asList(one.delta()));
      for (int j = 0; j < before.length; j++) {
        before[j] += one.before()[j] / all.size();
      }
    }
    return method == Detector.DELTA
        ? DeltaInfluence.rule(deltas.toArray(double[][]::new), threshold, tolerance() * all.size())
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
}
