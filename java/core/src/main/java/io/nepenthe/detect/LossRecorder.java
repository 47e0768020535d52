package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Trainer;

/**
 * Records every example's loss after each epoch of a training, as the trainer tells of it: one
 * forward pass an epoch, and 4 bytes an example and epoch beside those of a batch.
 */
public final class LossRecorder implements Trainer.Progress, AutoCloseable {
  private static final int BATCH = 256;

  private final Dataset data;
  private final Normalisation normalisation;
  private final Predictor predictor;
  private final float[][] losses;
  private int epochs;

  /**
   * Listens to the training of a model.
   *
   * @param model the one that is trained; it must outlive this
   * @param data whose losses, which need not be what it is trained on
   * @param epochs at most so many
   */
  public LossRecorder(
      Model model, Backend backend, Dataset data, Normalisation normalisation, int epochs) {
    this.data = data;
    this.normalisation = normalisation;
    this.predictor = new Predictor(model, backend, BATCH);
    this.losses = new float[epochs][Math.toIntExact(data.size())];
  }

  @Override
  public void finished(Trainer.Epoch epoch) {
    float[] after = losses[epochs++];
    double[] some = new double[BATCH];
    predictor.predict(
        data,
        normalisation,
        (first, logits, labels) -> {
          new CrossEntropy().evaluate(logits, labels, some, logits);
          for (int i = 0; i < logits.shape().size(0); i++) {
            after[(int) first + i] = (float) some[i];
          }
        });
  }

  /** The epochs so far. */
  public int epochs() {
    return epochs;
  }

  /** The cross-entropy of an example after an epoch, counted from 0. */
  public float loss(long example, int epoch) {
    return losses[epoch][Math.toIntExact(example)];
  }

  /** √Σₑ (ℓᵢ − ℓₖ)², how far apart the trajectories of two examples are. */
  public double distance(long i, long k) {
    double sum = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
      double difference = (double) loss(i, epoch) - loss(k, epoch);
      sum += difference * difference;
    }
    return Math.sqrt(sum);
  }

  @Override
  public void close() {
    predictor.close();
  }
}
