package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The operations of curvature and influence on a layer's inputs and output gradients, sample by
 * sample. As for {@link Backend}, arguments are checked first and outputs overlap nothing. No
 * result depends on the number of threads; on the processor none depends on how samples are split
 * into batches.
 *
 * <p>Linear layers take [samples, features] or [samples, positions, features]; convolutions
 * [samples, height, width, channels].
 */
public sealed interface PerSample permits CpuPerSample, CudaPerSample {
  /** No mask: all positions count. */
  MemorySegment ALL = MemorySegment.NULL;

  /**
   * Adds Σ āāᵀ of a linear layer's inputs, or of output gradients.
   *
   * @param mask native bytes [samples, positions], 0 where a position does not count; or {@link
   *     #ALL}
   * @param bias whether a constant 1 is the last feature
   * @param covariance [features, features]; its count grows by the samples
   * @see Covariance
   */
  void covariance(
      Tensor rows,
      MemorySegment mask,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance);

  /**
   * Adds Σ āāᵀ of a convolution's unfolded inputs.
   *
   * @param covariance [features, features], or [groups, features, features] for several groups
   * @see Covariance
   */
  void covariance(
      Convolution convolution,
      Tensor input,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance);

  /**
   * Writes every sample's gradient of a linear layer.
   *
   * @param out [samples, outputs, features], the bias feature last where there is one
   * @see SampleGradients
   */
  void sampleGradients(Tensor input, Tensor outputGradient, boolean bias, Tensor out);

  /** Writes every sample's gradient of a convolution, as for a linear layer. */
  void sampleGradients(
      Convolution convolution, Tensor input, Tensor outputGradient, boolean bias, Tensor out);

  /**
   * Writes every sample's gradient of a normalisation.
   *
   * @param normalised the input after normalisation, before scale and shift: [samples, …, channels]
   * @param outputGradient of the same shape
   * @param out [samples, 2, channels]: of the scale, then of the shift
   * @see SampleGradients
   */
  void sampleNormalisationGradients(Tensor normalised, Tensor outputGradient, Tensor out);

  /**
   * The weighted square norm of every sample's gradient, of linear operands.
   *
   * @param weights [outputs, features]
   * @param scores [samples], overwritten
   * @see SelfScores
   */
  default void selfScores(Tensor input, Tensor outputGradient, Tensor weights, Tensor scores) {
    long positions = input.shape().rank() == 3 ? input.shape().size(1) : 1;
    selfScores(input, outputGradient, weights, scores, SelfScores.strategyFor(positions));
  }

  /** The same by a chosen strategy, for measurements. */
  void selfScores(
      Tensor input,
      Tensor outputGradient,
      Tensor weights,
      Tensor scores,
      SelfScores.Strategy strategy);

  /** The same for a convolution: weights of the weights' shape. */
  void selfScores(
      Convolution convolution, Tensor input, Tensor outputGradient, Tensor weights, Tensor scores);

  /** The weighted square norm of gradients that were written out, [samples, …weights]. */
  void selfScores(Tensor gradients, Tensor weights, Tensor scores);

  /**
   * Packs queries for {@link #pairScores(Convolution, Tensor, Tensor, boolean, PackedQueries,
   * Tensor)}, in this arena, where the operations run.
   *
   * @param positions T of the layer; packed for one of several positions they fit all such layers
   * @param groups of the convolution; 1 for a linear layer
   * @param queries [queries, outputs, features], to be kept as they are while the result is used
   */
  PackedQueries packQueries(Arena arena, long positions, int groups, Tensor queries);

  /**
   * The dot product of every query with every sample's gradient of a linear layer.
   *
   * @param bias whether a constant 1 is the last feature
   * @param queries of this layer's outputs and features
   * @param scores [queries, samples], overwritten
   * @see PairScores
   */
  void pairScores(
      Tensor input, Tensor outputGradient, boolean bias, PackedQueries queries, Tensor scores);

  /** The same for a convolution. */
  void pairScores(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores);

  /**
   * Σ over positions and rank of products, [samples, positions, queries, rank].
   *
   * @param scores [queries, samples], overwritten
   * @see PairScores
   */
  void pairScoresFactored(Tensor left, Tensor right, Tensor scores);

  /**
   * Random words.
   *
   * @param out native memory of 8-byte words, overwritten
   * @param first the first counter; each gives two words
   * @see Philox
   */
  void philox(MemorySegment out, long key, long stream, long first);
}
