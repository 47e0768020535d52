package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/** The plain losses, whose memory is the host's. */
final class CpuObjectives implements Objectives {
  private double[] losses = {};
  private boolean[] hits = {};

  @Override
  public void crossEntropy(Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    finish(Losses.crossEntropy(output, labels, room(output), gradient), term, gradient);
  }

  @Override
  public void crossEntropy(
      Tensor output, int[] labels, float[] weights, LossTerm term, Tensor gradient) {
    Losses.checkWeighted(output, labels, weights, gradient);
    Losses.crossEntropy(output, labels, room(output), gradient);
    long classes = output.shape().size(1);
    double total = 0;
    for (int n = 0; n < output.shape().size(0); n++) {
      total += weights[n] * losses[n];
    }
    finish(total, term, gradient);
    for (long i = 0; i < gradient.elements(); i++) {
      gradient.set(i, gradient.get(i) * weights[(int) (i / classes)]);
    }
  }

  @Override
  public void crossEntropy(Tensor output, int[] labels, Tally tally, Tensor gradient) {
    Losses.check(output, labels, room(output), gradient);
    Losses.hits(output, labels, hits); // before the gradient, which may lie there
    Losses.crossEntropy(output, labels, losses, gradient);
    tally.add(losses, hits, (int) output.shape().size(0));
  }

  @Override
  public void squaredError(
      Tensor output, int[] labels, double[] targets, LossTerm term, Tensor gradient) {
    finish(Losses.squaredError(output, labels, targets, room(output), gradient), term, gradient);
  }

  @Override
  public void squaredError(
      Tensor output, int[] labels, double[] targets, Tally tally, Tensor gradient) {
    Losses.checkSquared(output, labels, targets, room(output), gradient);
    Losses.hits(output, labels, hits);
    Losses.squaredError(output, labels, targets, losses, gradient);
    tally.add(losses, hits, (int) output.shape().size(0));
  }

  @Override
  public void teacher(
      Tensor output,
      Tensor answers,
      int[] rows,
      TeacherDistance distance,
      LossTerm term,
      Tensor gradient) {
    finish(distance.evaluate(output, answers, rows, gradient), term, gradient);
  }

  private double[] room(Tensor output) {
    if (output.shape().rank() > 0 && losses.length < output.shape().size(0)) {
      losses = new double[Math.toIntExact(output.shape().size(0))];
      hits = new boolean[losses.length];
    }
    return losses;
  }

  private static void finish(double total, LossTerm term, Tensor gradient) {
    term.sum().add(term.share() * total);
    for (long i = 0; term.scale() != 1 && i < gradient.elements(); i++) {
      gradient.set(i, gradient.get(i) * term.scale());
    }
  }
}
