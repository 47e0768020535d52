package io.nepenthe.curvature;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.ResidentModel;
import io.nepenthe.tensor.Tensor;

/**
 * Passes over a data set, with running statistics and no dropout: batch by batch forward, and then
 * backward as often as asked. After the first batch it allocates nothing.
 */
final class SamplePass implements AutoCloseable {
  private final Batches batches;
  private final Normalisation normalisation;
  private final ResidentModel resident;
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

  /** The same, with the outputs where they were computed. */
  interface Passes {
    void batch(Execution execution, long first, int count, int[] labels, long[] ids);
  }

  /** Batches of at most {@code batchSize} samples: as many as the device has room for. */
  SamplePass(
      Model model, Backend backend, Dataset data, Normalisation normalisation, int batchSize) {
    this(model, backend, data, normalisation, batchSize, true, true);
  }

  /**
   * One pass over the data.
   *
   * @param labelled whether the labels must be among the outputs
   * @param smaller whether a batch may be smaller than asked for, where the device has no more
   *     room; false where the size is part of what is computed, so that too large a one is an error
   */
  SamplePass(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      int batchSize,
      boolean labelled,
      boolean smaller) {
    requireFit(model, data, labelled);
    int wanted = (int) Math.min(batchSize, data.size());
    int batch = smaller ? Execution.fitting(model, backend, wanted, Mode.FROZEN) : wanted;
    this.batches = Batches.inOrder(data, batch);
    this.normalisation = normalisation;
    this.labels = new int[batch];
    this.ids = new long[batch];
    this.resident = new ResidentModel(model, backend);
    this.execution =
        Owned.orClose(
            resident::close, () -> new Execution(resident.here(), backend, batch, Mode.FROZEN));
  }

  /** Refuses data that the model cannot take, and none at all. */
  static void requireFit(Model model, Dataset data, boolean labelled) {
    long outputs = model.network().output().elements();
    if (data.size() == 0) {
      throw new IllegalArgumentException(data.name() + " has no samples");
    }
    if (labelled && data.classes() > outputs) {
      throw new IllegalArgumentException(
          data.name() + " has " + data.classes() + " classes, the model " + outputs + " outputs");
    }
    if (!model.network().takes(data.image())) {
      throw new IllegalArgumentException(
          data.name()
              + " has images of "
              + data.image()
              + ", the model takes "
              + model.network().input());
    }
  }

  /** The model where the backend's operations run. */
  Model model() {
    return resident.here();
  }

  /** Samples in all. */
  long size() {
    return batches.dataset().size();
  }

  /** Batches in all. */
  long batches() {
    return batches.count();
  }

  void run(Progress progress, Use use) {
    passes(
        progress,
        (execution, first, count, labels, ids) ->
            use.batch(execution, first, execution.bring(count), labels, ids));
  }

  void passes(Progress progress, Passes use) {
    passes(batches, 0, progress, use);
  }

  /** The samples from a position up to another. */
  void passes(long from, long to, Progress progress, Passes use) {
    Dataset part = Subset.range(batches.dataset(), from, to - 1);
    passes(Batches.inOrder(part, labels.length), from, progress, use);
  }

  private void passes(Batches part, long from, Progress progress, Passes use) {
    long first = from;
    for (long b = 0; b < part.count(); b++) {
      int n = execution.load(part, b, labels, ids, normalisation);
      execution.pass(n);
      use.batch(execution, first, n, labels, ids);
      first += n;
      progress.report(first, size());
    }
  }

  @Override
  public void close() {
    execution.close();
    resident.close();
  }
}
