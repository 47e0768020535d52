package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;

/**
 * One pass over a data set for {@link FisherDiagonal}. After the first batch it allocates nothing.
 */
final class FisherPass implements AutoCloseable {
  private final Owned owned = new Owned();
  private final FisherDiagonal.Options options;
  private final SamplePass samples;
  private final FisherVectors vectors;
  private final SquaredGradients squares;
  private final FisherVectors.Listener listener;

  FisherPass(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Loss loss,
      FisherDiagonal.Options options) {
    if (options.labels() == Labels.NONE && !options.batchSquared()) {
      throw new IllegalArgumentException(
          "label-free importance is a mean of batch gradients: choose batchSquared");
    }
    int outputs = Math.toIntExact(model.network().output().elements());
    if (options.labels() == Labels.TRUE && !loss.fits(outputs, data.classes())) {
      throw new IllegalArgumentException(
          data.name() + " has " + data.classes() + " classes, the model " + outputs + " outputs");
    }
    this.options = options;
    this.samples =
        owned.take(
            () ->
                new SamplePass(
                    model,
                    backend,
                    data,
                    normalisation,
                    options.batchSquared()
                        ? options.batchSize()
                        : backend.atOnce(options.batchSize()),
                    loss.classifies() && options.labels() != Labels.NONE,
                    !options.batchSquared()),
            SamplePass::close);
    OutputGradients gradients = OutputGradients.of(loss, options.weighting(), outputs);
    this.vectors = new FisherVectors(options.labels(), 1, options.seed(), gradients, 0);
    this.squares = owned.take(() -> new SquaredGradients(model, backend), SquaredGradients::close);
    this.listener =
        options.batchSquared()
            ? owned.take(() -> new BatchSquares(samples.model(), backend), BatchSquares::close)
            : new SampleSquares();
  }

  void run(Progress progress, Parameters out) {
    samples.passes(progress, this::batch);
    squares.value(out);
    double count = options.batchSquared() ? samples.batches() : samples.size();
    for (long j = 0; j < out.count(); j++) {
      out.flat().set(j, (float) (out.flat().get(j) / count));
    }
  }

  private void batch(Execution execution, long first, int count, int[] labels, long[] ids) {
    // The batch mean's gradient: scaled before the backward pass, so that a short last batch counts
    // as the others do.
    double weight = options.batchSquared() ? 1.0 / count : 1;
    vectors.backward(execution, labels, ids, weight, listener);
  }

  /** Adds each sample's squares. */
  private final class SampleSquares implements FisherVectors.Listener {
    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      squares.visit(layer, input, outputGradient);
    }

    @Override
    public boolean takesSampleGradients(ParametricLayer layer) {
      return squares.takesSampleGradients(layer);
    }

    @Override
    public void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {
      squares.visitSampleGradients(layer, scale, shift);
    }
  }

  /** Adds the squares, or without labels the absolute values, of a pass's summed gradient. */
  private final class BatchSquares implements FisherVectors.Listener, AutoCloseable {
    private final GradientAccumulator gradient;

    BatchSquares(Model model, Backend backend) {
      this.gradient = GradientAccumulator.resident(model, backend);
    }

    @Override
    public void pass(int number) {
      gradient.clear();
    }

    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      gradient.visit(layer, input, outputGradient);
    }

    @Override
    public void passed() {
      if (options.labels() == Labels.NONE) {
        squares.addAbsolutes(gradient.gradient());
      } else {
        squares.addSquares(gradient.gradient());
      }
    }

    @Override
    public void close() {
      gradient.close();
    }
  }

  @Override
  public void close() {
    owned.close();
  }
}
