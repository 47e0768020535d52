package io.nepenthe.nn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * Outputs of a model for whole data sets, with running statistics. Plans and memory are kept from
 * one data set to the next; the weights are read anew each time. Close it before the model.
 */
public final class Predictor implements AutoCloseable {
  private final ResidentModel resident;
  private final Execution execution;
  private final int[] labels;
  private final long[] ids;

  /**
   * Predictions of {@code batchSize} samples at a time, or of as many as the device has room for.
   */
  public Predictor(Model model, Backend backend, int batchSize) {
    this.resident = new ResidentModel(model, backend);
    int batch = Execution.fitting(resident.here(), backend, batchSize, Mode.INFERENCE);
    this.execution =
        Owned.orClose(
            resident::close, () -> new Execution(resident.here(), backend, batch, Mode.INFERENCE));
    this.labels = new int[batch];
    this.ids = new long[batch];
  }

  /**
   * The outputs for every sample, in the data set's order: one pass, whose result serves any number
   * of metrics.
   *
   * @param arena where the result lives
   * @return samples × classes, before the softmax
   * @throws IllegalArgumentException if the data set is empty or does not fit the model
   */
  public Tensor logits(Arena arena, Dataset dataset, Normalisation normalisation) {
    Trainer.requireFit(execution.model().network(), dataset);
    Tensor all = Tensor.zeros(arena, dataset.size(), classes());
    logits(dataset, normalisation, all);
    return all;
  }

  /**
   * The same to memory of the host or of the device that computes them, where they then stay.
   *
   * @param to samples × classes
   */
  public void logits(Dataset dataset, Normalisation normalisation, Tensor to) {
    pass(
        dataset,
        normalisation,
        (first, n) -> {
          execution.pass(n);
          execution.copyOutput(to.slice(first * classes(), Shape.of(n, classes())));
        });
  }

  private long classes() {
    return execution.model().network().output().elements();
  }

  /** Hears of the outputs of a batch. */
  @FunctionalInterface
  public interface Outputs {
    /**
     * Called for every batch, in order.
     *
     * @param first the position of its first sample in the data set
     * @param logits samples × classes, before the softmax; the listener may change them
     * @param labels of the samples, and further ones behind them
     */
    void batch(long first, Tensor logits, int[] labels);
  }

  /**
   * Hands on the outputs for every sample, batch by batch.
   *
   * @throws IllegalArgumentException if the data set is empty or does not fit the model
   */
  public void predict(Dataset dataset, Normalisation normalisation, Outputs outputs) {
    pass(dataset, normalisation, (first, n) -> outputs.batch(first, execution.forward(n), labels));
  }

  /** What is done with a batch that was loaded. */
  private interface Loaded {
    void batch(long first, int samples);
  }

  private void pass(Dataset dataset, Normalisation normalisation, Loaded loaded) {
    Trainer.requireFit(execution.model().network(), dataset);
    resident.refresh();
    Batches batches = Batches.inOrder(dataset, execution.maxBatch());
    for (long b = 0; b < batches.count(); b++) {
      long first = b * execution.maxBatch();
      loaded.batch(first, execution.load(batches, b, labels, ids, normalisation));
    }
  }

  /** Accuracy and loss on a data set. */
  public Evaluation evaluate(Dataset dataset, Normalisation normalisation) {
    try (Arena arena = Arena.ofConfined()) {
      return Evaluation.of(logits(arena, dataset, normalisation), dataset);
    }
  }

  /** Releases plans and memory; closing again does nothing. */
  @Override
  public void close() {
    execution.close();
    resident.close();
  }
}
