package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.detect.ActivationClustering;
import io.nepenthe.detect.DeltaInfluence;
import io.nepenthe.detect.Detection;
import io.nepenthe.detect.SpectralSignatures;
import io.nepenthe.evaluate.Poison;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Listener;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Sequence;
import io.nepenthe.unlearn.Trace;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A backdoor in 2 % of the training images, one affected test image, what Δ-Influence and its peers
 * make of it, and the model after the flagged examples were forgotten: by retraining without them,
 * and by unlearning methods with their published settings.
 */
final class DetectionFigure implements Figure {
  static final int SIZE = 10_000;
  static final SequencedMap<String, Method> HEALERS = healers();
  static final int[] TOLERANCES = {0, 1, 5, 10};
  private static final int TARGET = 0;
  private static final double POISONED = 0.02;
  private static final BadNets BACKDOOR = BadNets.of(TARGET, Amount.fraction(POISONED));

  @Override
  public List<String> parts() {
    return Stream.concat(Stream.of("delta"), HEALERS.keySet().stream()).toList();
  }

  @Override
  public List<String> data() {
    return Images.names();
  }

  @Override
  public void measure(Backend backend, String data, long seed, Sink sink) {
    Images images = Images.of(data, SIZE, seed);
    Manipulated poisoned = BACKDOOR.apply(images.training(), 0, seed);
    Dataset training = poisoned.dataset();
    Normalisation normalisation = Normalisation.of(training);
    Trainer recipe = new Trainer(15, 64, Optimiser.adam(1e-3), seed);
    try (Model model =
        Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), training.classes()), seed)) {
      recipe.train(model, backend, training, normalisation, Trainer.Progress.NONE);
      SequencedMap<String, Double> values = new LinkedHashMap<>();
      judge(backend, model, images.test(), normalisation, values);
      Detection found =
          detect(backend, model, training, poisoned, images.test(), normalisation, seed, values);
      sink.add("delta", values);
      Forgetting task =
          Forgetting.ofIds(training, found.flaggedIds(training), normalisation, recipe)
              .withHeldOut(images.trusted());
      for (String healer : HEALERS.keySet()) {
        if (sink.wants(healer)) {
          sink.add(healer, heal(backend, model, task, healer, images.test(), seed));
        }
      }
    }
  }

  private static SequencedMap<String, Method> healers() {
    SequencedMap<String, Method> healers = new LinkedHashMap<>();
    healers.put("ssd", Methods.named("ssd").published());
    healers.put("ssd and fine-tuning", Sequence.dampenAndRepair());
    healers.put("retrain", Methods.named("retrain").published());
    return healers;
  }

  private static SequencedMap<String, Double> heal(
      Backend backend, Model model, Forgetting task, String healer, Dataset test, long seed) {
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    try (Model healed = model.copy()) {
      Trace trace = HEALERS.get(healer).forget(healed, backend, task, seed, Listener.NONE);
      judge(backend, healed, test, task.normalisation(), values);
      values.put("seconds", trace.totalSeconds());
    }
    return values;
  }

  private static void judge(
      Backend backend,
      Model model,
      Dataset test,
      Normalisation normalisation,
      SequencedMap<String, Double> values) {
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      values.put("accuracy", predictor.evaluate(test, normalisation).accuracy());
      Predictions attacked = Predictions.of(predictor, BACKDOOR.triggered(test), normalisation);
      values.put("attack", Poison.of(attacked, TARGET).attackSuccessRate());
    }
  }

  private static Detection detect(
      Backend backend,
      Model model,
      Dataset training,
      Manipulated poisoned,
      Dataset test,
      Normalisation normalisation,
      long seed,
      SequencedMap<String, Double> values) {
    boolean[] truth = truth(training, poisoned.manipulatedIds());
    Dataset triggered = BACKDOOR.triggered(test);
    DeltaInfluence.Options options =
        DeltaInfluence.Options.defaults().withSeed(seed).withoutRelation();
    FactorOptions fisher = FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(256);
    try (EkFac ekfac = Curvatures.ekfac(model, backend, training, normalisation, fisher);
        InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
        InfluenceScores self =
            Influence.self(
                model,
                backend,
                inverse,
                training,
                normalisation,
                Influence.Options.defaults(),
                Progress.NONE)) {
      DeltaInfluence.Deltas plain =
          DeltaInfluence.of(
              model,
              backend,
              inverse,
              training,
              triggered,
              affected(backend, model, triggered, normalisation),
              TARGET,
              normalisation,
              options,
              Progress.NONE);
      DeltaInfluence.Deltas relative = plain.relativeTo(DeltaInfluence.row(self.raw(), 0));
      for (int tolerance : TOLERANCES) {
        values.put(
            "auc.delta." + tolerance,
            DeltaInfluence.rule(relative.delta(), options.threshold(), tolerance).auc(truth));
        values.put(
            "auc.asIs." + tolerance,
            DeltaInfluence.rule(plain.delta(), options.threshold(), tolerance).auc(truth));
      }
      Detection found =
          DeltaInfluence.rule(relative.delta(), options.threshold(), options.tolerance());
      values.put("auc.plain", plain.plain(0).auc(truth));
      values.put("auc.plainRelative", relative.plain(0).auc(truth));
      values.put(
          "auc.spectral",
          SpectralSignatures.of(model, backend, training, normalisation, 0.15, Progress.NONE)
              .auc(truth));
      values.put(
          "auc.clustering",
          ActivationClustering.of(model, backend, training, normalisation, seed, Progress.NONE)
              .auc(truth));
      values.put("flagged", (double) found.count());
      values.put("recall", found.recall(truth));
      return found;
    }
  }

  /** The first image that the attack deceives. */
  private static int affected(
      Backend backend, Model model, Dataset triggered, Normalisation normalisation) {
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      Predictions answers = Predictions.of(predictor, triggered, normalisation);
      return IntStream.range(0, answers.size())
          .filter(i -> answers.answer(i) == TARGET)
          .findFirst()
          .orElseThrow(() -> new IllegalStateException("the attack deceives no test image"));
    }
  }

  /** Which examples of the data are among the ids, which ascend. */
  static boolean[] truth(Dataset data, long[] ids) {
    boolean[] truth = new boolean[Math.toIntExact(data.size())];
    for (int i = 0; i < truth.length; i++) {
      truth[i] = Arrays.binarySearch(ids, data.id(i)) >= 0;
    }
    return truth;
  }
}
