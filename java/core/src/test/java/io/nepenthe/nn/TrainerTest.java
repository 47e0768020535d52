package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Mask;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TrainerTest {
  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 600, 1);

  @Test
  void learnsAndRepeatsToTheByte() {
    Network network =
        Architectures.lenet(
            Extent.image(DATA.image().height(), DATA.image().width(), DATA.image().channels()),
            DATA.classes());
    Normalisation normalisation = Normalisation.of(DATA);
    Trainer trainer = new Trainer(3, 32, Optimiser.sgd(0.02, 0.9, 5e-4), 5);
    List<float[]> results = new ArrayList<>();
    for (int threads : new int[] {1, 2}) {
      try (Backend backend = Device.cpu(threads).open();
          Model model = Model.initialise(network, 2);
          Predictor predictor = new Predictor(model, backend, 100)) {
        List<Trainer.Epoch> epochs = new ArrayList<>();
        double before = predictor.evaluate(DATA, normalisation).meanLoss();
        Trainer.Epoch last = trainer.train(model, backend, DATA, normalisation, epochs::add);
        assertEquals(3, epochs.size());
        assertEquals(last, epochs.get(2));
        assertTrue(last.meanLoss() < epochs.get(0).meanLoss());
        Evaluation after = predictor.evaluate(DATA, normalisation);
        assertTrue(after.meanLoss() < 0.8 * before, before + " → " + after);
        assertTrue(after.accuracy() > 2.0 / DATA.classes(), after.toString());
        results.add(model.parameters().flat().toArray());
      }
    }
    assertArrayEquals(results.get(0), results.get(1));
  }

  @Test
  void predictionsDoNotDependOnTheBatchSize() {
    Network network =
        Architectures.mlp(
            Extent.image(DATA.image().height(), DATA.image().width(), DATA.image().channels()),
            DATA.classes(),
            20);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model = Model.initialise(network, 2);
        Predictor seven = new Predictor(model, backend, 7);
        Predictor all = new Predictor(model, backend, 1000)) {
      Normalisation normalisation = Normalisation.of(DATA);
      Tensor a = seven.logits(arena, DATA, normalisation);
      Tensor b = all.logits(arena, DATA, normalisation);
      assertArrayEquals(b.toArray(), a.toArray(), 1e-5f);
      assertEquals(Evaluation.of(b, DATA).correct(), Evaluation.of(a, DATA).correct());
    }
  }

  @Test
  void adamLearnsToo() {
    Network network = Architectures.mlp(Extent.vector(20), 3, 10);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(network, 2);
        Learner learner = TrainingFixture.learner(model, backend, 12, Optimiser.adam(0.01))) {
      double first = TrainingFixture.step(learner, 12, 1);
      double last = first;
      for (int i = 0; i < 100; i++) {
        last = TrainingFixture.step(learner, 12, 1);
      }
      assertTrue(last < 0.2 * first, first + " → " + last);
    }
  }

  @Test
  void maskedWeightsStayAndAscentClimbs() {
    Network network = Architectures.mlp(Extent.vector(20), 3, 10);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(network, 2)) {
      Tensor flat = model.parameters().flat();
      float[] before = flat.toArray();
      Mask mask = Mask.zeros(arena, List.of(flat.shape()));
      for (long i = 0; i < before.length; i += 3) {
        mask.part(0).set(i, true);
      }
      OptimiserState state =
          Optimiser.sgd(0.05, 0.9, 0.1).start(model.parameters(), backend, mask.part(0));
      try (Learner learner =
          new Learner(model, backend, 12, Mode.FROZEN, state, new CrossEntropy())) {
        double first = TrainingFixture.step(learner, 12, 1);
        double last = first;
        int[] labels = new int[12];
        learner.step(12, labels, 1, 1f / 12);
        for (int i = 0; i < 20; i++) {
          learner.tally().clear();
          learner.step(12, labels, 1, -1f / 12);
          last = learner.tally().loss();
        }
        assertTrue(last > first, first + " → " + last);
      }
      float[] after = flat.toArray();
      long moved = 0;
      for (int i = 0; i < before.length; i++) {
        if (i % 3 != 0) {
          assertEquals(before[i], after[i], "a masked weight moved");
        }
        moved += before[i] != after[i] ? 1 : 0;
      }
      assertTrue(moved > before.length / 6);
    }
  }

  @Test
  void refusesDataThatDoNotFit() {
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(Architectures.mlp(Extent.vector(3), 2), 2)) {
      Trainer trainer = new Trainer(1, 8, Optimiser.sgd(0.1, 0, 0), 1);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              trainer.train(
                  model,
                  backend,
                  DATA,
                  Normalisation.identity(DATA.image().channels()),
                  Trainer.Progress.NONE));
    }
  }
}
