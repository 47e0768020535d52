package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * What the steps of training and unlearning follow: losses of a batch with their gradients, both
 * left where the outputs are. Nothing comes to the host but by {@link LossSum#value} and by what a
 * {@link Tally} is asked. Arguments are checked first, as by {@link Backend}.
 */
public sealed interface Objectives permits CpuObjectives, CudaLosses {
  /**
   * Every sample's cross-entropy of the softmax.
   *
   * @param output samples × classes
   * @param labels the class of each sample, in the first entries
   * @param gradient of the output's shape; may be {@code output}
   * @see Losses
   */
  void crossEntropy(Tensor output, int[] labels, LossTerm term, Tensor gradient);

  /**
   * The same of w_n·ℓ_n, whose gradients are multiplied by w_n after the term's scale, and rounded.
   *
   * @param weights w_n of each sample, in the first entries
   */
  void crossEntropy(Tensor output, int[] labels, float[] weights, LossTerm term, Tensor gradient);

  /** The same with gradients as they are; losses and hits are added to {@code tally}. */
  void crossEntropy(Tensor output, int[] labels, Tally tally, Tensor gradient);

  /**
   * Every sample's squared error, likewise.
   *
   * @param targets the number of each label, for one output; or none: the one-hot label
   * @see Losses
   */
  void squaredError(Tensor output, int[] labels, double[] targets, LossTerm term, Tensor gradient);

  /** The same with gradients as they are; losses and hits are added to {@code tally}. */
  void squaredError(Tensor output, int[] labels, double[] targets, Tally tally, Tensor gradient);

  /**
   * Every sample's distance from its teacher.
   *
   * @param output samples × classes, the student's
   * @param answers rows × classes, the teacher's
   * @param rows which row of the answers is each sample's, in the first entries
   * @param gradient of the output's shape
   * @see TeacherDistance
   */
  void teacher(
      Tensor output,
      Tensor answers,
      int[] rows,
      TeacherDistance distance,
      LossTerm term,
      Tensor gradient);
}
