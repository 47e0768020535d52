package io.nepenthe.nn;

import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.FrozenNormalisation;
import io.nepenthe.tensor.Tensor;

/** Batch normalisation; the visitor gets the normalised input. */
final class BatchNormStep implements Step {
  private final Dense dense;
  private final ParametricLayer layer;
  private final Layer.BatchNorm2d description;
  private final Mode mode;
  private final Statistics running;
  private final Statistics batch;
  private final Statistics sums;
  private final Tensor x;
  private final Tensor normalised;
  private final Tensor y;
  private final Tensor dy;
  private final Edge edge;

  /** Two values a channel: mean and variance, or the two sums of the backward pass. */
  record Statistics(Tensor first, Tensor second) {}

  /** The memory of one normalisation. */
  record Memory(Tensor x, Tensor normalised, Tensor y, Tensor dy, Edge edge) {}

  BatchNormStep(
      Dense dense,
      ParametricLayer layer,
      Mode mode,
      Statistics running,
      Statistics batch,
      Statistics sums,
      Memory memory) {
    this.dense = dense;
    this.layer = layer;
    this.description = (Layer.BatchNorm2d) layer.layer();
    this.mode = mode;
    this.running = running;
    this.batch = batch;
    this.sums = sums;
    this.x = memory.x;
    this.normalised = memory.normalised;
    this.y = memory.y;
    this.dy = memory.dy;
    this.edge = memory.edge;
  }

  ParametricLayer layer() {
    return layer;
  }

  /** What it computes where its statistics are the running ones. */
  FrozenNormalisation frozen() {
    return new FrozenNormalisation(
        running.first,
        running.second,
        layer.weight().value(),
        layer.biasOrEmpty(),
        description.epsilon());
  }

  /** Makes x̂, and no output. */
  void normalise() {
    forward(Model.EMPTY);
  }

  private Statistics used() {
    return mode.batchStatistics() ? batch : running;
  }

  @Override
  public void forward() {
    if (mode.batchStatistics()) {
      dense.batchNormStatistics(x, batch.first, batch.second);
      moveRunning();
    }
    forward(y);
  }

  private void forward(Tensor output) {
    dense.batchNorm(
        x,
        used().first,
        used().second,
        layer.weight().value(),
        layer.biasOrEmpty(),
        description.epsilon(),
        normalised,
        output);
  }

  private void moveRunning() {
    long values = x.elements() / description.channels();
    float momentum = description.momentum();
    // The running variance is the unbiased one; of a single value there is none.
    float unbiased = values > 1 ? (float) ((double) values / (values - 1)) : 1;
    dense.moveAverage(running.first, batch.first, momentum, 1);
    dense.moveAverage(running.second, batch.second, momentum, unbiased);
  }

  @Override
  public void backward(LayerVisitor visitor) {
    visitor.visit(layer, normalised, dy);
    if (!edge.wanted()) {
      return;
    }
    boolean frozen = !mode.batchStatistics();
    if (!frozen) {
      dense.batchNormSums(normalised, dy, sums.first, sums.second, false);
    }
    dense.batchNormGradient(
        normalised,
        dy,
        used().second,
        layer.weight().value(),
        description.epsilon(),
        sums.first,
        sums.second,
        frozen,
        edge.destination());
    edge.finish(dense);
  }
}
