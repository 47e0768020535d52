package io.nepenthe.unlearn;

import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;

/**
 * A LeNet trained once on easy digits of which some carry a backdoor; what the behavioural tests
 * make forget.
 */
final class TinyTask {
  static final Dataset CLEAN =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 1500, 3, 0.5);
  static final Dataset TEST = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, 500, 3, 0.5);
  static final Dataset TRUSTED =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 500, 4, 0.5);
  static final BadNets BACKDOOR = BadNets.of(0, new Amount.Fraction(0.05));
  static final Manipulated POISONED = BACKDOOR.apply(CLEAN, 0.5, 1);
  static final Normalisation NORMALISATION = Normalisation.of(POISONED.dataset());
  static final Network NETWORK = Architectures.lenet(Extent.image(28, 28, 1), 10);
  static final Trainer RECIPE =
      new Trainer(6, 32, Optimiser.adam(2e-3), new Schedule.Cosine(0), new CrossEntropy(), 1);

  private static float[] trained;

  private TinyTask() {}

  /** The task: half of the poison is known. */
  static Forgetting task() {
    return Forgetting.corrective(POISONED, NORMALISATION, RECIPE).withHeldOut(TRUSTED);
  }

  /** Another task: one class, all of it known. */
  static Forgetting threes() {
    return Forgetting.ofClass(POISONED.dataset(), 3, NORMALISATION, RECIPE).withHeldOut(TRUSTED);
  }

  /** Test images of the other classes. */
  static Dataset otherThanThrees() {
    return Datasets.ofClasses(TEST, 0, 1, 2, 4, 5, 6, 7, 8, 9);
  }

  /** A copy of the trained model; the caller closes it. */
  static synchronized Model model() {
    Model model = Model.initialise(NETWORK, 1);
    if (trained == null) {
      try (Backend backend = Device.cpu().open()) {
        RECIPE.train(model, backend, POISONED.dataset(), NORMALISATION, Trainer.Progress.NONE);
      }
      trained = model.parameters().flat().toArray();
    } else {
      for (int i = 0; i < trained.length; i++) {
        model.parameters().flat().set(i, trained[i]);
      }
    }
    return model;
  }

  static double accuracy(Model model, Backend backend, Dataset data) {
    try (Predictor predictor = new Predictor(model, backend, 250)) {
      return predictor.evaluate(data, NORMALISATION).accuracy();
    }
  }

  /** How often a triggered image is still read right. */
  static double healed(Model model, Backend backend) {
    return accuracy(model, backend, BACKDOOR.triggered(TEST));
  }
}
