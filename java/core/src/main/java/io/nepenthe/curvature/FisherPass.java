package io.nepenthe.curvature;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.ResidentModel;
import io.nepenthe.tensor.Tensor;

/**
 * One pass over a data set for {@link FisherDiagonal}. After the first batch it allocates nothing.
 */
final class FisherPass implements AutoCloseable {
  private final Backend backend;
  private final Batches batches;
  private final Normalisation normalisation;
  private final FisherDiagonal.Options options;
  private final ResidentModel resident;
  private final Execution execution;
  private final SquaredGradients squares;
  private final GradientAccumulator batchGradient;
  private final int[] labels;
  private final long[] ids;
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
    if (options.labels() != Labels.NONE && data.classes() > classes) {
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
    this.normalisation = normalisation;
    this.options = options;
    this.resident = new ResidentModel(model, backend);
    int wanted = (int) Math.min(options.batchSize(), data.size());
    // Where a batch is part of the definition, one that does not fit is an error.
    int batch =
        options.batchSquared()
            ? wanted
            : Execution.fitting(resident.here(), backend, wanted, Mode.FROZEN);
    this.batches = Batches.inOrder(data, batch);
    this.labels = new int[batch];
    this.ids = new long[batch];
    this.probabilities = new double[classes];
    this.execution = new Execution(resident.here(), backend, batch, Mode.FROZEN);
    this.squares = new SquaredGradients(model, backend);
    this.batchGradient = GradientAccumulator.resident(resident.here(), backend);
  }

  void run(Progress progress, Parameters out) {
    long done = 0;
    for (long b = 0; b < batches.count(); b++) {
      int n = (int) Math.min(batches.batchSize(), batches.dataset().size() - done);
      batches.fill(b, execution.input(n).segment(), labels, ids, normalisation);
      Tensor logits = execution.forward(n);
      switch (options.labels()) {
        case TRUE -> oneLabel(logits);
        case SAMPLED -> {
          sample(logits);
          oneLabel(logits);
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

  private void oneLabel(Tensor logits) {
    for (int n = 0; n < logits.shape().size(0); n++) {
      softmax(logits, n);
      cotangent(n, labels[n], 1);
    }
    propagate();
  }

  /**
   * Writes weight·(p − onehot(label)) to a row. The label's entry is minus the sum of the others: 1
   * − p would lose all digits on a sample that the model is sure of.
   */
  private void cotangent(int sample, int label, double weight) {
    double others = 0;
    double squares = 0;
    for (int c = 0; c < probabilities.length; c++) {
      others += c == label ? 0 : probabilities[c];
      squares += c == label ? 0 : probabilities[c] * probabilities[c];
    }
    double length = Math.sqrt(squares + others * others);
    double scale =
        options.weighting() == Weighting.LOSS ? weight : length > 0 ? weight / length : 0;
    for (int c = 0; c < probabilities.length; c++) {
      double value = c == label ? -others : probabilities[c];
      execution
          .outputGradient()
          .set((long) sample * probabilities.length + c, (float) (scale * value));
    }
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
    for (int y = 0; y < probabilities.length; y++) {
      for (int n = 0; n < logits.shape().size(0); n++) {
        softmax(logits, n);
        cotangent(n, y, Math.sqrt(probabilities[y]));
      }
      propagate();
    }
  }

  /** The gradient of ‖logits‖², or with unit weighting that of ‖logits‖. */
  private void squaredNorm(Tensor logits) {
    Tensor gradient = execution.outputGradient();
    int classes = probabilities.length;
    for (long row = 0; row < logits.elements(); row += classes) {
      double squares = 0;
      for (int c = 0; c < classes; c++) {
        squares += (double) logits.get(row + c) * logits.get(row + c);
      }
      double unit = squares > 0 ? 1 / Math.sqrt(squares) : 0;
      double scale = options.weighting() == Weighting.LOSS ? 2 : unit;
      for (int c = 0; c < classes; c++) {
        gradient.set(row + c, (float) (scale * logits.get(row + c)));
      }
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
    resident.close();
  }
}
