package io.nepenthe.curvature;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;

/**
 * One pass over a data set for {@link FisherDiagonal}. After the first batch it allocates nothing.
 */
final class FisherPass implements AutoCloseable {
  private final Backend backend;
  private final Batches batches;
  private final Normalisation normalisation;
  private final FisherDiagonal.Options options;
  private final Execution execution;
  private final SquaredGradients squares;
  private final GradientAccumulator batchGradient;
  private final CrossEntropy loss = new CrossEntropy();
  private final int[] labels;
  private final long[] ids;
  private final double[] losses;
  private final double[] probabilities;

  FisherPass(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FisherDiagonal.Options options) {
    int classes = Math.toIntExact(model.network().output().elements());
    if (options.labels() == Labels.NONE && !options.batchSquared()) {
      throw new IllegalArgumentException(
          "label-free importance is a mean of batch gradients: choose batchSquared");
    }
    if (data.classes() > classes) {
      throw new IllegalArgumentException(
          data.name() + " has " + data.classes() + " classes, the model " + classes + " outputs");
    }
    if (data.image().floats() != model.network().input().elements()) {
      throw new IllegalArgumentException(
          data.name()
              + " has images of "
              + data.image()
              + ", the model takes "
              + model.network().input());
    }
    this.backend = backend;
    this.batches = Batches.inOrder(data, options.batchSize());
    this.normalisation = normalisation;
    this.options = options;
    int batch = (int) Math.min(options.batchSize(), data.size());
    this.labels = new int[batch];
    this.ids = new long[batch];
    this.losses = new double[batch];
    this.probabilities = new double[classes];
    this.execution = new Execution(model, backend, batch, Mode.FROZEN);
    this.squares = new SquaredGradients(model, backend);
    this.batchGradient = new GradientAccumulator(model, backend);
  }

  void run(Progress progress, Parameters out) {
    long done = 0;
    for (long b = 0; b < batches.count(); b++) {
      int n = (int) Math.min(batches.batchSize(), batches.dataset().size() - done);
      batches.fill(b, execution.input(n).segment(), labels, ids, normalisation);
      Tensor logits = execution.forward(n);
      switch (options.labels()) {
        case TRUE -> backward(logits);
        case SAMPLED -> {
          sample(logits);
          backward(logits);
        }
        case EXACT -> everyLabel(logits);
        case NONE -> squaredNorm(logits);
      }
      done += n;
      progress.report(done, batches.dataset().size());
    }
    squares.value(out);
    double count = options.batchSquared() ? batches.count() : done;
    for (long j = 0; j < out.count(); j++) {
      out.flat().set(j, (float) (out.flat().get(j) / count));
    }
  }

  private void backward(Tensor logits) {
    loss.evaluate(logits, labels, losses, execution.outputGradient());
    propagate();
  }

  private void propagate() {
    Tensor gradient = execution.outputGradient();
    if (!options.batchSquared()) {
      execution.backward(gradient, squares);
      return;
    }
    // The mean's gradient: scaled before the backward pass, so that a short last batch counts as
    // the others do.
    float scale = 1f / gradient.shape().size(0);
    for (long i = 0; i < gradient.elements(); i++) {
      gradient.set(i, gradient.get(i) * scale);
    }
    batchGradient.clear();
    execution.backward(gradient, batchGradient);
    if (options.labels() == Labels.NONE) {
      squares.addAbsolutes(batchGradient.gradient());
    } else {
      squares.addSquares(batchGradient.gradient());
    }
  }

  /** Replaces the labels by draws from the softmax. */
  private void sample(Tensor logits) {
    for (int n = 0; n < logits.shape().size(0); n++) {
      softmax(logits, n);
      double left = SampleDraw.unit(options.seed(), ids[n]);
      int label = 0;
      while (label < probabilities.length - 1 && left >= probabilities[label]) {
        left -= probabilities[label++];
      }
      labels[n] = label;
    }
  }

  /**
   * One backward pass a class y, each row scaled by √p(y), so that its square is weighted by p(y).
   */
  private void everyLabel(Tensor logits) {
    Tensor gradient = execution.outputGradient();
    for (int y = 0; y < probabilities.length; y++) {
      for (int n = 0; n < logits.shape().size(0); n++) {
        softmax(logits, n);
        double root = Math.sqrt(probabilities[y]);
        for (int c = 0; c < probabilities.length; c++) {
          double cotangent = probabilities[c] - (c == y ? 1 : 0);
          gradient.set((long) n * probabilities.length + c, (float) (root * cotangent));
        }
      }
      propagate();
    }
  }

  /** The gradient of ‖logits‖². */
  private void squaredNorm(Tensor logits) {
    Tensor gradient = execution.outputGradient();
    for (long i = 0; i < logits.elements(); i++) {
      gradient.set(i, 2 * logits.get(i));
    }
    propagate();
  }

  private void softmax(Tensor logits, int sample) {
    long row = (long) sample * probabilities.length;
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < probabilities.length; c++) {
      max = Math.max(max, logits.get(row + c));
    }
    double sum = 0;
    for (int c = 0; c < probabilities.length; c++) {
      probabilities[c] = StrictMath.exp(logits.get(row + c) - max);
      sum += probabilities[c];
    }
    for (int c = 0; c < probabilities.length; c++) {
      probabilities[c] /= sum;
    }
  }

  @Override
  public void close() {
    batchGradient.close();
    squares.close();
    execution.close();
  }
}
