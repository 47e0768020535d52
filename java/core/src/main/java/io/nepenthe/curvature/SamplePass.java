package io.nepenthe.curvature;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;

/**
 * Passes over a data set, with running statistics and no dropout: batch by batch forward, and then
 * backward as often as asked.
 */
final class SamplePass implements AutoCloseable {
  private final Batches batches;
  private final Normalisation normalisation;
  private final Execution execution;
  private final int[] labels;
  private final long[] ids;

  /** What is done with a batch. */
  interface Use {
    /**
     * Hears of a batch after its forward pass.
     *
     * @param first the position of its first sample in the data set
     * @param outputs samples × classes
     */
    void batch(Execution execution, long first, Tensor outputs, int[] labels, long[] ids);
  }

  SamplePass(
      Model model, Backend backend, Dataset data, Normalisation normalisation, int batchSize) {
    int outputs = Math.toIntExact(model.network().output().elements());
    if (data.size() == 0) {
      throw new IllegalArgumentException(data.name() + " has no samples");
    }
    if (data.classes() > outputs) {
      throw new IllegalArgumentException(
          data.name() + " has " + data.classes() + " classes, the model " + outputs + " outputs");
    }
    if (data.image().floats() != model.network().input().elements()) {
      throw new IllegalArgumentException(
          data.name()
              + " has images of "
              + data.image()
              + ", the model takes "
              + model.network().input());
    }
    this.batches = Batches.inOrder(data, batchSize);
    this.normalisation = normalisation;
    int batch = (int) Math.min(batchSize, data.size());
    this.labels = new int[batch];
    this.ids = new long[batch];
    this.execution = new Execution(model, backend, batch, Mode.FROZEN);
  }

  /** The passes' memory and plans. */
  Execution execution() {
    return execution;
  }

  void run(Progress progress, Use use) {
    long size = batches.dataset().size();
    long first = 0;
    for (long b = 0; b < batches.count(); b++) {
      int n = (int) Math.min(labels.length, size - first);
      batches.fill(b, execution.input(n).segment(), labels, ids, normalisation);
      Tensor outputs = execution.forward(n);
      use.batch(execution, first, outputs, labels, ids);
      first += n;
      progress.report(first, size);
    }
  }

  @Override
  public void close() {
    execution.close();
  }
}
