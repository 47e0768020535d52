package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.InterclassConfusion;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Manipulation;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.Confusion;
import io.nepenthe.evaluate.Distance;
import io.nepenthe.evaluate.Feature;
import io.nepenthe.evaluate.LikelihoodRatio;
import io.nepenthe.evaluate.LinearCka;
import io.nepenthe.evaluate.MembershipInference;
import io.nepenthe.evaluate.Poison;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.RelearnTime;
import io.nepenthe.evaluate.Splits;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Listener;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Trace;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * A trained model and what it is asked to forget, with the judge's view: measures any method on a
 * copy of the model. It owns the model.
 */
final class Measurement implements AutoCloseable {
  /** How many of the training images are manipulated. */
  static final int MANIPULATED = 100;

  /** The class that the task {@code class} forgets. */
  static final int FORGOTTEN = 3;

  private static final int TARGET = 0;

  private static final BadNets BACKDOOR = BadNets.of(TARGET, Amount.count(MANIPULATED));

  /** The classes that are taken for each other. */
  private static final int[] CONFUSED = {3, 5};

  /** Samples of each side that a support-vector attacker learns from. */
  private static final int ATTACKED = 1_000;

  /** Test samples by which the last layers are compared. */
  private static final int COMPARED = 300;

  private static final int SHADOW_PAIRS = 2;

  private final Backend backend;
  private final Model trained;
  private final Row.Cell cell;
  private final Forgetting task;
  private final Dataset test;
  private Optional<Reference> retrained = Optional.empty();
  private Optional<LikelihoodRatio> shadows = Optional.empty();

  /** What others are compared with. */
  private record Reference(Splits splits, float[][] last) {}

  private Measurement(
      Backend backend, Model trained, Row.Cell cell, Forgetting task, Dataset test) {
    this.backend = backend;
    this.trained = trained;
    this.cell = cell;
    this.task = task;
    this.test = test;
  }

  /** The model that the task of a cell is about; the same for every known share. */
  static Model train(Backend backend, Source source, Row.Cell cell) {
    Dataset images = cell.isPrivacy() ? source.training() : manipulated(source, cell, 1).dataset();
    Model model = Model.initialise(cell.set().network(source.training()), cell.seed());
    cell.set()
        .recipe()
        .withSeed(cell.seed())
        .train(model, backend, images, Normalisation.of(images), Trainer.Progress.NONE);
    return model;
  }

  private static Manipulated manipulated(Source source, Row.Cell cell, double known) {
    Manipulation manipulation =
        switch (cell.kind()) {
          case "badnets" -> BACKDOOR;
          case "interclass" -> InterclassConfusion.of(CONFUSED[0], CONFUSED[1], MANIPULATED);
          case "label-noise" -> LabelNoise.of((double) MANIPULATED / cell.images());
          default -> throw new IllegalArgumentException("no task " + cell.task());
        };
    return manipulation.apply(source.training(), known, cell.seed());
  }

  /** The task of a cell. */
  static Measurement of(Backend backend, Source source, Model trained, Row.Cell cell) {
    Trainer recipe = cell.set().recipe().withSeed(cell.seed());
    Dataset training = source.training();
    Normalisation clean = Normalisation.of(training);
    Dataset test = source.test();
    Forgetting task =
        switch (cell.kind()) {
          case "random" -> Forgetting.random(training, 0.1, cell.seed(), clean, recipe);
          case "class" -> {
            test =
                Datasets.ofClasses(
                    test,
                    IntStream.range(0, training.classes()).filter(c -> c != FORGOTTEN).toArray());
            yield Forgetting.ofClass(training, FORGOTTEN, clean, recipe);
          }
          default -> {
            Manipulated bad = manipulated(source, cell, cell.known());
            yield Forgetting.corrective(bad, Normalisation.of(bad.dataset()), recipe);
          }
        };
    return new Measurement(backend, trained.copy(), cell, task.withHeldOut(source.trusted()), test);
  }

  /** The model as trained. */
  SequencedMap<String, Double> before() {
    return judge(trained, new LinkedHashMap<>());
  }

  /** Retrains: what the others are compared with. */
  SequencedMap<String, Double> retrained(Method retrain) {
    try (Model model = trained.copy()) {
      SequencedMap<String, Double> values = forget(model, retrain);
      retrained = Optional.of(new Reference(splits(model), last(model)));
      return judge(model, values);
    }
  }

  /** The model after a method; empty if its weights are no longer finite. */
  Optional<SequencedMap<String, Double>> after(Method method) {
    try (Model model = trained.copy()) {
      SequencedMap<String, Double> values = forget(model, method);
      return model.isFinite() ? Optional.of(judge(model, values)) : Optional.empty();
    }
  }

  private SequencedMap<String, Double> forget(Model model, Method method) {
    Trace trace = method.forget(model, backend, task, 1000 + cell.seed(), Listener.NONE);
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    values.put("seconds", trace.totalSeconds());
    trace.figures().forEach((name, value) -> values.put("figure." + name, value));
    return values;
  }

  private Splits splits(Model model) {
    return Splits.of(model, backend, task.retain(), task.forget(), test, task.normalisation());
  }

  /** The outputs of the last layer for some test samples. */
  private float[][] last(Model model) {
    List<Integer> node = List.of(model.network().nodes().size() - 1);
    Dataset some = Subset.range(test, 0, Math.min(COMPARED, test.size()) - 1);
    return LinearCka.features(model, backend, some, task.normalisation(), node).getFirst();
  }

  private SequencedMap<String, Double> judge(Model model, SequencedMap<String, Double> values) {
    Splits splits = splits(model);
    values.put("unlearningAccuracy", splits.unlearningAccuracy());
    values.put("retainAccuracy", splits.retainAccuracy());
    values.put("testAccuracy", splits.testAccuracy());
    try (Predictor predictor = new Predictor(model, backend, 256)) {
      Dataset trusted = task.heldOutToKeep().orElseThrow();
      values.put("trustedAccuracy", predictor.evaluate(trusted, task.normalisation()).accuracy());
      switch (cell.kind()) {
        case "badnets" -> backdoor(predictor, values);
        case "interclass" -> confusion(splits.test(), values);
        case "label-noise" -> values.put("correctedAccuracy", splits.testAccuracy());
        default -> privacy(model, splits, values);
      }
    }
    return values;
  }

  private void backdoor(Predictor predictor, SequencedMap<String, Double> values) {
    Dataset triggered = BACKDOOR.triggered(test);
    Poison poison = Poison.of(Predictions.of(predictor, triggered, task.normalisation()), TARGET);
    values.put("attackSuccessRate", poison.attackSuccessRate());
    values.put("correctedAccuracy", poison.correctedAccuracy());
  }

  private static void confusion(Predictions answers, SequencedMap<String, Double> values) {
    int a = CONFUSED[0];
    int b = CONFUSED[1];
    Predictions both = answers.where(n -> answers.label(n) == a || answers.label(n) == b);
    Predictions others = answers.where(n -> answers.label(n) != a && answers.label(n) != b);
    values.put("interclassError", Confusion.interclassError(answers, a, b));
    values.put("confusionRate", (double) Confusion.confusionScore(answers, a, b) / both.size());
    values.put("correctedAccuracy", both.accuracy());
    values.put("utility", others.accuracy());
  }

  private void privacy(Model model, Splits splits, SequencedMap<String, Double> values) {
    MembershipInference attack = new MembershipInference(ATTACKED, cell.seed());
    values.put("efficacyConfidence", attack.efficacy(splits, Feature.CONFIDENCE));
    if (cell.isTuning()) {
      return;
    }
    values.put("entropyAttack", attack.entropyAttack(splits));
    if (cell.kind().equals("random") && cell.set().isThorough()) {
      values.put("lossAttack", attack.lossAttack(splits));
      values.put(
          "likelihoodRatio", shadows().attack(splits.forget(), splits.test()).areaUnderCurve());
    }
    retrained.ifPresent(
        reference -> {
          Splits standard = reference.splits;
          values.put("klToRetrained", Distance.kullbackLeibler(standard.forget(), splits.forget()));
          values.put("lastLayerSimilarity", LinearCka.of(reference.last, last(model)));
        });
    if (cell.set().isThorough() && cell.seed() == cell.set().shown().getFirst()) {
      values.put("relearnTime", (double) relearned(model));
    }
  }

  /** Rounds until the forgotten are known as well as before; at most 20, as the dearest metric. */
  private int relearned(Model model) {
    Dataset training = Datasets.concatenate("all", List.of(task.retain(), task.forget()));
    try (Predictor before = new Predictor(trained, backend, 256)) {
      double loss = before.evaluate(task.forget(), task.normalisation()).meanLoss();
      return new RelearnTime(500, 64, 0.1, 20, cell.seed())
          .rounds(model, backend, loss, training, task.forget(), task.normalisation());
    }
  }

  private LikelihoodRatio shadows() {
    if (shadows.isEmpty()) {
      shadows =
          Optional.of(
              LikelihoodRatio.train(
                  trained.network(),
                  backend,
                  task.recipe(),
                  task.retain(),
                  task.forget(),
                  test,
                  task.normalisation(),
                  SHADOW_PAIRS,
                  cell.seed(),
                  Progress.NONE));
    }
    return shadows.get();
  }

  @Override
  public void close() {
    trained.close();
  }
}
