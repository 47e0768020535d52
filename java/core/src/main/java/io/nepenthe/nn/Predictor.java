package io.nepenthe.nn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
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
    this.execution = new Execution(resident.here(), backend, batch, Mode.INFERENCE);
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
    Network network = execution.model().network();
    Trainer.requireFit(network, dataset);
    long classes = network.output().elements();
    Tensor logits = Tensor.zeros(arena, dataset.size(), classes);
    resident.refresh();
    Batches batches = Batches.inOrder(dataset, execution.maxBatch());
    for (long b = 0; b < batches.count(); b++) {
      long first = b * execution.maxBatch();
      int n = (int) Math.min(execution.maxBatch(), dataset.size() - first);
      batches.fill(b, execution.input(n).segment(), labels, ids, normalisation);
      Tensor output = execution.forward(n);
      logits
          .segment()
          .asSlice(first * classes * Float.BYTES, output.shape().bytes())
          .copyFrom(output.segment());
    }
    return logits;
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
