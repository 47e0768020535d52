package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.util.Optional;
import java.util.Set;

/**
 * Passes over a data set that show every batch's inputs and output gradients: through the model or,
 * of chunks whose {@link Activations} are kept, from these. Batches are the same either way, none
 * of them in two {@link Chunks}, and so is every bit.
 */
final class GradientPasses implements AutoCloseable {
  private final Model model;
  private final Backend backend;
  private final Dataset data;
  private final Normalisation normalisation;
  private final int batchSize;
  private final FisherVectors vectors;
  private final Optional<ActivationSet> kept;
  private final ActivationLayout layout;
  private final Chunks chunks;
  private SamplePass samples;
  private ActivationReader reader;

  /** What is done with a batch. */
  interface Use {
    /**
     * Hears of a batch, and says what visits its layers.
     *
     * @param first the position of its first sample in the data set
     */
    FisherVectors.Listener of(long first, int count);
  }

  /**
   * Prepares passes; the model runs, and takes memory, only when it is needed.
   *
   * @param vectors the backward passes
   * @param layers the names of those that are visited
   * @param gradients which output gradients the vectors are, in a word; empty if no other pass has
   *     the same
   * @param activations where they are kept
   * @throws IllegalArgumentException if there are no samples, or they do not fit the model
   */
  GradientPasses(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      int batchSize,
      FisherVectors vectors,
      Set<String> layers,
      Optional<String> gradients,
      Activations activations) {
    SamplePass.requireFit(model, data, true);
    this.model = model;
    this.backend = backend;
    this.data = data;
    this.normalisation = normalisation;
    this.batchSize = batchSize;
    this.vectors = vectors;
    this.kept =
        ActivationPlan.possible(backend, model)
            ? gradients.flatMap(word -> activations.of(model, data, normalisation, layers, word))
            : Optional.empty();
    this.layout = ActivationLayout.of(model, layers, vectors.passes());
    this.chunks = Chunks.of(data.size());
  }

  /**
   * Of the Fisher information of factors.
   *
   * @param stage its draws are independent of another stage's
   */
  static GradientPasses of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      int stage,
      Activations activations) {
    int outputs = Math.toIntExact(model.network().output().elements());
    return new GradientPasses(
        model,
        backend,
        data,
        normalisation,
        options.batchSize(),
        new FisherVectors(options, outputs, stage),
        ActivationPlan.layers(options.blocks(model)),
        options.gradients(),
        activations);
  }

  /** Passes over all of them; after each chunk, {@code end}. */
  void run(Progress progress, Use use, Runnable end) {
    for (int chunk = 0; chunk < chunks.count(); chunk++) {
      run(chunk, chunks.first(chunk), chunks.end(chunk), progress, use);
      end.run();
    }
  }

  /**
   * Passes over the samples from a position up to another.
   *
   * @param progress told after every batch, in positions
   */
  void run(long from, long to, Progress progress, Use use) {
    for (int chunk = 0; chunk < chunks.count(); chunk++) {
      long first = Math.max(from, chunks.first(chunk));
      long end = Math.min(to, chunks.end(chunk));
      if (first < end) {
        run(chunk, first, end, progress, use);
      }
    }
  }

  /** The same of samples of one chunk. */
  private void run(int chunk, long from, long to, Progress progress, Use use) {
    Optional<SafetensorsFile> file = file(chunk);
    if (file.isPresent()) {
      ActivationReader.Source source =
          new ActivationReader.Source(file.get(), chunks.first(chunk), data.size());
      reader().run(source, from, to, vectors.passes(), progress, use);
    } else {
      throughModel(chunk, from, to, progress, use);
    }
  }

  private Optional<SafetensorsFile> file(int chunk) {
    return kept.flatMap(set -> set.file(chunk));
  }

  private ActivationReader reader() {
    if (reader == null) {
      reader = new ActivationReader(layout, (int) Math.min(batchSize, data.size()));
    }
    return reader;
  }

  private SamplePass samples() {
    if (samples == null) {
      samples = new SamplePass(model, backend, data, normalisation, batchSize);
    }
    return samples;
  }

  private void throughModel(int chunk, long from, long to, Progress progress, Use use) {
    boolean whole = from == chunks.first(chunk) && to == chunks.end(chunk);
    if (whole && kept.isPresent()) {
      try (ActivationRecorder recorder = kept.get().recorder(chunk, layout)) {
        throughModel(from, to, progress, (first, count) -> recorder.before(use.of(first, count)));
        recorder.finish();
      }
    } else {
      throughModel(from, to, progress, use);
    }
  }

  private void throughModel(long from, long to, Progress progress, Use use) {
    samples()
        .passes(
            from,
            to,
            progress,
            (execution, first, count, labels, ids) ->
                vectors.backward(execution, labels, ids, use.of(first, count)));
  }

  @Override
  public void close() {
    if (samples != null) {
      samples.close();
    }
    if (reader != null) {
      reader.close();
    }
  }
}
