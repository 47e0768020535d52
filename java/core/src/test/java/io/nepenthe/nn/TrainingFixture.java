package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.tensor.Tensor;
import java.util.SplittableRandom;

/** A few training steps on seeded random images. */
final class TrainingFixture {
  private TrainingFixture() {}

  static final Optimiser SGD = Optimiser.sgd(0.02, 0.9, 5e-4);

  /** The parameters, then the buffers, after training on batches of 9, 9 and 4. */
  static float[][] train(Network network, int threads, Optimiser optimiser) {
    try (Backend backend = Device.cpu(threads).open();
        Model model = Model.initialise(network, 11);
        Learner learner = learner(model, backend, 9, optimiser)) {
      for (int batch : new int[] {9, 9, 4}) {
        step(learner, batch, 5);
      }
      return new float[][] {model.parameters().flat().toArray(), model.buffers().flat().toArray()};
    }
  }

  static Learner learner(Model model, Backend backend, int maxBatch, Optimiser optimiser) {
    return new Learner(
        model,
        backend,
        maxBatch,
        Mode.TRAIN,
        optimiser.start(model.parameters(), backend),
        new CrossEntropy());
  }

  /** A step on images drawn from the seed; returns the summed loss. */
  static double step(Learner learner, int batch, long seed) {
    Tensor input = learner.execution().input(batch);
    SplittableRandom random = new SplittableRandom(seed);
    for (long i = 0; i < input.elements(); i++) {
      input.set(i, (float) random.nextDouble() - 0.5f);
    }
    int[] labels = new int[batch];
    long classes = learner.execution().model().network().output().channels();
    for (int n = 0; n < batch; n++) {
      labels[n] = random.nextInt((int) classes);
    }
    learner.tally().clear();
    learner.step(batch, labels, 1);
    return learner.tally().loss();
  }
}
