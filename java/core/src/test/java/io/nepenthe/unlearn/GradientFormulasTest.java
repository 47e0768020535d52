package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.TinyData;
import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Every gradient method's own formula, step by step in float64. */
class GradientFormulasTest {
  private static final double RATE = 0.3;
  private static final Optimiser SGD = Optimiser.sgd(RATE, 0, 0);
  private static final Forgetting TASK = SoftmaxByHand.TASK;
  private static final Dataset RETAIN = TASK.retain();
  private static final Dataset FORGET = TASK.forget();
  private static final long SEED = 7;
  private static final SoftmaxByHand.Term LOSS = SoftmaxByHand.LOSS;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = Device.cpu(1).open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static Model model() {
    return Model.initialise(SoftmaxByHand.NETWORK, 1);
  }

  /** A pass that is expected. */
  private static Trace.Epoch epoch(String over, int epoch, double loss) {
    return new Trace.Epoch(over, epoch, loss);
  }

  /** Weights and losses are those by hand, and the listener heard of every sample. */
  private static void assertSame(Method method, SoftmaxByHand hand, List<Trace.Epoch> expected) {
    long[] heard = new long[2];
    try (Model model = model()) {
      Trace trace =
          method.forget(
              model,
              backend,
              TASK,
              SEED,
              (phase, done, total) -> {
                if (phase.equals("update")) {
                  heard[0] = done;
                  heard[1] = total;
                }
              });
      hand.assertIs(model.parameters());
      assertEquals(expected.size(), trace.epochs().size());
      for (int e = 0; e < expected.size(); e++) {
        Trace.Epoch found = trace.epochs().get(e);
        assertEquals(expected.get(e).over(), found.over());
        assertEquals(expected.get(e).epoch(), found.epoch());
        assertEquals(expected.get(e).loss(), found.loss(), 1e-5, "loss of pass " + e);
      }
    }
    assertTrue(heard[0] > 0, "nothing was heard");
    assertEquals(heard[1], heard[0], "of all samples");
  }

  private static SoftmaxByHand byHand() {
    try (Model model = model()) {
      return SoftmaxByHand.of(model);
    }
  }

  @Test
  void fineTuningDescendsTheMeanOfEachBatch() {
    SoftmaxByHand hand = byHand();
    List<Trace.Epoch> epochs = new ArrayList<>();
    for (int e = 0; e < 2; e++) {
      epochs.add(epoch("retain", e, hand.pass(RETAIN, 10, SEED, e, RATE, LOSS)));
    }
    assertSame(new FineTune(new Steps(2, 10, SGD)), hand, epochs);
  }

  @Test
  void ascentClimbsTheMeanOfEachBatch() {
    SoftmaxByHand hand = byHand();
    List<Trace.Epoch> epochs = new ArrayList<>();
    for (int e = 0; e < 2; e++) {
      epochs.add(epoch("forget", e, -hand.pass(FORGET, 5, SEED, e, -RATE, LOSS)));
    }
    assertSame(new GradientAscent(new Steps(2, 5, SGD)), hand, epochs);
  }

  @Test
  void negGradPlusWeighsTheTwoMeansAndGoesThroughTheForgottenAgain() {
    double a = 0.8;
    SoftmaxByHand hand = byHand();
    List<Trace.Epoch> epochs = new ArrayList<>();
    int round = 0;
    long next = 0;
    Batches forget = Batches.shuffled(FORGET, 5, SEED, round);
    for (int e = 0; e < 2; e++) {
      Batches retain = Batches.shuffled(RETAIN, 5, SEED, e);
      double sum = 0;
      for (long b = 0; b < retain.count(); b++) {
        if (next == forget.count()) {
          forget = Batches.shuffled(FORGET, 5, SEED, ++round);
          next = 0;
        }
        sum += a * hand.add(retain, b, a, LOSS) / retain.size(b);
        sum -= (1 - a) * hand.add(forget, next, a - 1, LOSS) / forget.size(next);
        next++;
        hand.step(RATE);
      }
      epochs.add(epoch("both", e, sum / retain.count()));
    }
    assertTrue(round > 3, "gone through again");
    assertSame(new NegGradPlus(new Steps(2, 5, SGD), a), hand, epochs);
  }

  @Test
  void randomLabelsAreOfTheForgottenAlone() {
    for (RandomLabel.Order order : RandomLabel.Order.values()) {
      RandomLabel method = new RandomLabel(new Steps(2, 10, SGD), order, true);
      SoftmaxByHand hand = byHand();
      List<Trace.Epoch> epochs = new ArrayList<>();
      for (int e = 0; e < 2; e++) {
        int at = e;
        SoftmaxByHand.Term random =
            (id, label, z, slope) ->
                SoftmaxByHand.crossEntropy(
                    method.label(label, SoftmaxByHand.CLASSES, at, id, SEED), z, slope);
        if (order == RandomLabel.Order.FORGET_FIRST) {
          epochs.add(epoch("forget", e, hand.pass(FORGET, 10, SEED, e, RATE, random)));
          epochs.add(epoch("retain", e, hand.pass(RETAIN, 10, SEED, e, RATE, LOSS)));
        } else {
          Mixed mixed = new Mixed(FORGET, RETAIN);
          SoftmaxByHand.Term either =
              (id, label, z, slope) ->
                  (mixed.isForgotten(id) ? random : LOSS).of(id, label, z, slope);
          epochs.add(epoch("both", e, hand.pass(mixed.both(), 10, SEED, e, RATE, either)));
        }
      }
      assertSame(method, hand, epochs);
    }
  }

  @Test
  void scrubLeavesTheTeacherAndStaysWithIt() {
    double gamma = 0.7;
    double alpha = 0.4;
    double temperature = 2;
    SoftmaxByHand teacher = byHand();
    SoftmaxByHand hand = byHand();
    List<Trace.Epoch> epochs = new ArrayList<>();
    SoftmaxByHand.Term leave =
        (id, _, z, slope) -> SoftmaxByHand.distance(teacher.answer(id), temperature, z, slope);
    SoftmaxByHand.Term stay =
        (id, label, z, slope) -> {
          double[] other = new double[slope.length];
          double distance = SoftmaxByHand.distance(teacher.answer(id), temperature, z, other);
          double loss = SoftmaxByHand.crossEntropy(label, z, slope);
          Arrays.setAll(slope, c -> gamma * slope[c] + alpha * other[c]);
          return gamma * loss + alpha * distance;
        };
    for (int e = 0; e < 4; e++) {
      // After milestone 2 is from the third epoch on.
      double rate = e >= 2 ? 0.1 * RATE : RATE;
      if (e < 3) {
        epochs.add(epoch("forget", e, -hand.pass(FORGET, 5, SEED, e, -rate, leave)));
      }
      epochs.add(epoch("retain", e, hand.pass(RETAIN, 10, SEED, e, rate, stay)));
    }
    Scrub method =
        new Scrub(new Steps(4, 10, SGD), 5, gamma, alpha, temperature, 3, List.of(2), false);
    assertSame(method, hand, epochs);
  }

  @Test
  void badTeachingFollowsRandomWeightsOnTheForgottenAndOldOnesOnTheRest() {
    double temperature = 1.5;
    Dataset part = Datasets.split(RETAIN, 0.5, SEED).first();
    Mixed mixed = new Mixed(FORGET, part);
    SoftmaxByHand good = byHand();
    SoftmaxByHand bad;
    try (Model random = Model.initialise(SoftmaxByHand.NETWORK, ~SEED)) {
      bad = SoftmaxByHand.of(random);
    }
    SoftmaxByHand hand = byHand();
    SoftmaxByHand.Term follow =
        (id, _, z, slope) ->
            SoftmaxByHand.distance(
                mixed.isForgotten(id)
                    ? bad.answer(mixed.both(), id)
                    : good.answer(mixed.both(), id),
                temperature,
                z,
                slope);
    List<Trace.Epoch> epochs = new ArrayList<>();
    for (int e = 0; e < 2; e++) {
      epochs.add(epoch("both", e, hand.pass(mixed.both(), 7, SEED, e, RATE, follow)));
    }
    assertSame(new BadTeacher(new Steps(2, 7, SGD), temperature, 0.5), hand, epochs);
  }

  @Test
  void theL1PenaltyFadesAndItsProximalFormStopsAtZero() {
    double gamma = 0.02;
    for (boolean proximal : new boolean[] {false, true}) {
      SoftmaxByHand hand = byHand();
      List<Trace.Epoch> epochs = new ArrayList<>();
      for (int e = 0; e < 4; e++) {
        double now = e < 3 ? gamma * (1 - e / 3.0) : 0;
        Batches batches = Batches.shuffled(RETAIN, 10, SEED, e);
        double sum = 0;
        for (long b = 0; b < batches.count(); b++) {
          sum += hand.add(batches, b, 1, LOSS);
          double[] theta = hand.theta();
          for (int j = 0; j < theta.length; j++) {
            hand.gradient()[j] += proximal ? 0 : now * Math.signum(theta[j]);
          }
          hand.step(RATE);
          for (int j = 0; proximal && j < theta.length; j++) {
            theta[j] = Math.signum(theta[j]) * Math.max(0, Math.abs(theta[j]) - now * RATE);
          }
        }
        epochs.add(epoch("retain", e, sum / RETAIN.size()));
      }
      assertSame(new L1Sparse(new Steps(4, 10, SGD), gamma, 1, proximal), hand, epochs);
    }
  }

  @Test
  void theZerosOfTheL1PenaltyAreCounted() {
    try (Model model = model()) {
      Trace trace =
          new L1Sparse(new Steps(2, 10, SGD), 0.3, 0, true)
              .forget(model, backend, TASK, SEED, Listener.NONE);
      int zeros = 0;
      for (float weight : model.parameters().flat().toArray()) {
        zeros += weight == 0 ? 1 : 0;
      }
      assertTrue(zeros > 0 && zeros < model.parameters().count(), "zeros " + zeros);
      assertEquals(zeros, trace.figures().get("zeros"));
    }
  }

  @Test
  void theLastLayersFollowTheSchedule() {
    SoftmaxByHand hand = byHand();
    List<Trace.Epoch> epochs = new ArrayList<>();
    for (int e = 0; e < 3; e++) {
      double rate = e >= 1 ? RATE / 2 : RATE;
      epochs.add(epoch("retain", e, hand.pass(RETAIN, 10, SEED, e, rate, LOSS)));
    }
    Schedule half = new Schedule.Steps(List.of(1), 0.5);
    assertSame(new LastLayers(1, false, new Steps(3, 10, SGD), half), hand, epochs);
  }

  /** All layers drawn anew and trained by the recipe, with its schedule: there is no more. */
  @Test
  void forgettingAllLayersExactlyIsTrainingAnew() {
    Trainer recipe =
        new Trainer(
            3, 10, Optimiser.sgd(RATE, 0.9, 0), new Schedule.Cosine(0), TASK.recipe().loss(), 5);
    Forgetting task = new Forgetting(RETAIN, FORGET, TASK.heldOut(), TASK.normalisation(), recipe);
    try (Model layers = model();
        Model retrained = model();
        Model trained = Model.initialise(SoftmaxByHand.NETWORK, SEED)) {
      LastLayers.exact(-1).forget(layers, backend, task, SEED, Listener.NONE);
      new Retrain().forget(retrained, backend, task, SEED, Listener.NONE);
      recipe
          .withSeed(SEED)
          .train(trained, backend, RETAIN, SoftmaxByHand.PLAIN, Trainer.Progress.NONE);
      float[] expected = trained.parameters().flat().toArray();
      assertArrayEquals(expected, retrained.parameters().flat().toArray());
      // Its steps round elsewhere.
      assertArrayEquals(expected, layers.parameters().flat().toArray(), 4e-6f);
    }
  }

  /** Where one sample is kept the seed decides nothing else. */
  @Test
  void dropoutFollowsTheSeed() {
    Network network =
        Network.builder(Extent.image(2, 3, 1))
            .then(new Layer.Flatten())
            .then(new Layer.Dropout(0.5))
            .then(new Layer.Linear("fc", 6, 3, true))
            .build();
    float[] once = tuned(network, 1);
    assertArrayEquals(once, tuned(network, 1));
    double furthest = 0;
    float[] other = tuned(network, 2);
    for (int j = 0; j < once.length; j++) {
      furthest = Math.max(furthest, Math.abs(once[j] - other[j]));
    }
    assertTrue(furthest > 1e-3, "furthest " + furthest);
  }

  private static float[] tuned(Network network, long seed) {
    Forgetting task =
        new Forgetting(
            Subset.range(RETAIN, 0, 0),
            FORGET,
            TASK.heldOut(),
            TASK.normalisation(),
            TASK.recipe());
    try (Model model = Model.initialise(network, 1)) {
      new FineTune(new Steps(4, 8, SGD)).forget(model, backend, task, seed, Listener.NONE);
      return model.parameters().flat().toArray();
    }
  }

  /** A share too small for a sample would leave nothing to stay with. */
  @Test
  void aShareOfNoSampleIsAllOfThem() {
    double share = 1e-9;
    Steps steps = new Steps(2, 7, SGD);
    assertArrayEquals(after(new BadTeacher(steps, 1, 1)), after(new BadTeacher(steps, 1, share)));
    InfluenceStep influence = InfluenceStep.ekfac();
    assertArrayEquals(
        after(new DatamodelMatching(steps, 1, influence)),
        after(new DatamodelMatching(steps, share, influence)));
  }

  private static float[] after(Method method) {
    try (Model model = model()) {
      method.forget(model, backend, TASK, SEED, Listener.NONE);
      return model.parameters().flat().toArray();
    }
  }

  @Test
  void saliencyIsTheSumOverAllBatches() {
    // More samples than one batch of it has.
    Dataset many = new TinyData(300, SoftmaxByHand.DATA.image(), 3, 9, 0);
    SoftmaxByHand hand = byHand();
    for (long i = 0; i < many.size(); i++) {
      hand.add(many, i, many.label(i), 1, LOSS);
    }
    long[] heard = new long[1];
    try (Model model = model();
        Saliency saliency =
            Saliency.of(
                model,
                backend,
                many,
                SoftmaxByHand.PLAIN,
                TASK.recipe().loss(),
                (done, total) -> heard[0] = done)) {
      for (int j = 0; j < hand.gradient().length; j++) {
        assertEquals(hand.gradient()[j], saliency.values().flat().get(j), 1e-4, "weight " + j);
      }
    }
    assertEquals(300, heard[0]);
  }
}
