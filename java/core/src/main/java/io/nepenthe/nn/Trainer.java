package io.nepenthe.nn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;

/**
 * Trains a model on a data set. The same model, data, options and seed give the same bytes,
 * whatever the number of threads.
 *
 * @param epochs passes over the data
 * @param batchSize samples a step; the last batch of an epoch may be smaller and is averaged over
 *     its own size
 * @param optimiser how weights follow the gradient
 * @param schedule the learning rate over time
 * @param loss what is minimised
 * @param seed of the order of the samples and of dropout
 */
public record Trainer(
    int epochs, int batchSize, Optimiser optimiser, Schedule schedule, Loss loss, long seed) {
  /** Checks the numbers. */
  public Trainer {
    Layers.positive("epochs", epochs);
    Layers.positive("batchSize", batchSize);
  }

  /** Cross-entropy at a constant rate. */
  public Trainer(int epochs, int batchSize, Optimiser optimiser, long seed) {
    this(epochs, batchSize, optimiser, new Schedule.Constant(), new CrossEntropy(), seed);
  }

  /** The same with another seed. */
  public Trainer withSeed(long other) {
    return new Trainer(epochs, batchSize, optimiser, schedule, loss, other);
  }

  /**
   * What an epoch was like.
   *
   * @param epoch from 0
   * @param meanLoss of all samples, each under the weights just before its step
   * @param accuracy likewise, in [0, 1]; NaN for a regression
   * @param seconds it took
   */
  public record Epoch(int epoch, double meanLoss, double accuracy, double seconds) {}

  /** Hears of every epoch; an exception of its ends the training. */
  @FunctionalInterface
  public interface Progress {
    /** Ignores everything. */
    Progress NONE = epoch -> {};

    /** Called after each epoch. */
    void finished(Epoch epoch);
  }

  /**
   * Trains the model, in place.
   *
   * @return the last epoch
   * @throws IllegalArgumentException if the data set is empty or does not fit the model
   */
  public Epoch train(
      Model model,
      Backend backend,
      Dataset dataset,
      Normalisation normalisation,
      Progress progress) {
    requireFit(model.network(), dataset, loss);
    try (ResidentModel resident = new ResidentModel(model, backend);
        Learner learner = learner(resident.here(), backend, dataset)) {
      learner.execution().seedDropout(seed);
      Epoch last = new Epoch(-1, Double.NaN, Double.NaN, 0);
      for (int epoch = 0; epoch < epochs; epoch++) {
        Batches batches = Batches.shuffled(dataset, batchSize, seed, epoch);
        last = epoch(learner, batches, normalisation, epoch);
        resident.bring();
        progress.finished(last);
      }
      return last;
    }
  }

  private Learner learner(Model model, Backend backend, Dataset dataset) {
    OptimiserState state = optimiser.start(model.parameters(), backend);
    int largest = Batches.inOrder(dataset, batchSize).batchSize();
    return new Learner(model, backend, largest, Mode.TRAIN, state, loss);
  }

  private Epoch epoch(Learner learner, Batches batches, Normalisation normalisation, int epoch) {
    long start = System.nanoTime();
    int[] labels = new int[batches.batchSize()];
    long[] ids = new long[batches.batchSize()];
    long size = batches.dataset().size();
    learner.tally().clear();
    for (long b = 0; b < batches.count(); b++) {
      int n = learner.execution().load(batches, b, labels, ids, normalisation);
      long step = epoch * batches.count() + b;
      learner.step(n, labels, schedule.factor(step, batches.count(), epochs));
    }
    double meanLoss = learner.tally().loss() / size; // a device has finished the epoch, then
    double seconds = (System.nanoTime() - start) * 1e-9;
    double accuracy = loss.classifies() ? (double) learner.tally().hits() / size : Double.NaN;
    return new Epoch(epoch, meanLoss, accuracy, seconds);
  }

  /** Checks that a network can take a data set's images. */
  static void requireFit(Network network, Dataset dataset) {
    if (!network.takes(dataset.image())) {
      throw new IllegalArgumentException(
          "the network takes "
              + network.input()
              + ", "
              + dataset.name()
              + " has images of "
              + dataset.image());
    }
    if (dataset.size() == 0) {
      throw new IllegalArgumentException(dataset.name() + " is empty");
    }
  }

  /**
   * Checks that a network can take a data set's images, and that its outputs for them are what a
   * loss judges.
   *
   * @throws IllegalArgumentException if not, or if there are no images
   */
  public static void requireFit(Network network, Dataset dataset, Loss loss) {
    requireFit(network, dataset);
    long outputs = network.output().elements();
    if (!loss.fits(outputs, dataset.classes())) {
      throw new IllegalArgumentException(
          "the network has "
              + outputs
              + " outputs, "
              + dataset.name()
              + " has "
              + dataset.classes()
              + " classes, which does not do for "
              + loss);
    }
  }
}
