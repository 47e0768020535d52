package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The operations of a network's forward and backward pass. Images are N·H·W·C, vectors N·C. As for
 * {@link Backend}, arguments are checked first; outputs may not overlap another argument unless a
 * method says that one may be the other, exactly. No result depends on the number of threads.
 */
public sealed interface Dense permits CpuDense, CudaDense {
  /** Plans an affine operation; the caller closes the plan. */
  AffinePlan plan(Affine sizes);

  /**
   * Images of a byte a value as floats: y[i] = values[256·c + bytes[i]], c = i mod channels.
   *
   * @param bytes memory of the host, as many as y has values; it may change when this returns
   * @param values of every byte, of one channel after the other: 256 for each
   */
  void decode(MemorySegment bytes, float[] values, Tensor y);

  /** y = max(x, 0), NaN of NaN; y may be x. */
  void relu(Tensor x, Tensor y);

  /** dx = 0 where y ≤ 0, else dy, also where y is NaN; dx may be dy. */
  void reluGradient(Tensor y, Tensor dy, Tensor dx);

  /** y = x where x &gt; 0, else α·(exp(x/α) − 1) (Barron 2017), NaN of NaN; y may be x. */
  void celu(Tensor x, Tensor y, float alpha);

  /** dx = dy·(y &gt; 0 ? 1 : y/α + 1); dx may be dy. */
  void celuGradient(Tensor y, Tensor dy, Tensor dx, float alpha);

  /** values[r, i] = values[r, i]·weights[i]; the weights are a row of the values. */
  void multiplyRows(Tensor values, Tensor weights);

  /** out = a + b; out may be a. */
  void add(Tensor a, Tensor b, Tensor out);

  /**
   * y = x/(1 − probability) where a draw keeps the element, else 0; y may be x. The i-th element's
   * draw depends on {@code key} and i only, so the same call maps dy to dx.
   */
  void dropout(Tensor x, Tensor y, long key, double probability);

  /** The maximum of each window and channel, NaN if one is; padding never wins. */
  void maxPool(Tensor x, Tensor y, Window window);

  /** dy goes to the first position, row by row, that holds its window's maximum, or NaN. */
  void maxPoolGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window);

  /**
   * The mean of each window and channel: of the positions within the image, or, with {@code
   * paddingCounts}, of all with the padding as zeros.
   */
  void averagePool(Tensor x, Tensor y, Window window, boolean paddingCounts);

  /** The gradient of {@link #averagePool}. */
  void averagePoolGradient(Tensor dy, Tensor dx, Window window, boolean paddingCounts);

  /** x with positions around it. */
  void pad(Tensor x, Tensor y, Padding padding);

  /** The gradient of {@link #pad}: a position's and those of its copies, added up. */
  void padGradient(Tensor dy, Tensor dx, Padding padding);

  /**
   * Mean and biased variance of every channel, the last dimension of x, over all others.
   *
   * @param mean of shape channels
   * @param variance of shape channels
   */
  void batchNormStatistics(Tensor x, Tensor mean, Tensor variance);

  /**
   * normalised = (x − mean)/√(variance + ε); y = normalised·scale + shift.
   *
   * @param normalised of x's shape, may be x; or empty, and it is not kept
   * @param y of x's shape, may be x if {@code normalised} is empty; or empty if that is not, and
   *     only x is normalised
   */
  void batchNorm(
      Tensor x,
      Tensor mean,
      Tensor variance,
      Tensor scale,
      Tensor shift,
      float epsilon,
      Tensor normalised,
      Tensor y);

  /** dScale (+)= Σ dy·normalised, dShift (+)= Σ dy, per channel. */
  void batchNormSums(
      Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift, boolean accumulate);

  /**
   * dx = scale/√(variance + ε)·(dy − dShift/m − normalised·dScale/m), m values a channel, with the
   * sums of {@link #batchNormSums}; with {@code frozen} statistics, which do not depend on x, the
   * two means are left out. dx may be dy.
   */
  void batchNormGradient(
      Tensor normalised,
      Tensor dy,
      Tensor variance,
      Tensor scale,
      float epsilon,
      Tensor dScale,
      Tensor dShift,
      boolean frozen,
      Tensor dx);

  /**
   * y = max(x̂·scale + shift + residual, 0), NaN of NaN: {@link #batchNorm}, {@link #add} and
   * {@link #relu} in one pass over memory, with their bits.
   *
   * @param x samples × … × channels
   * @param residual of x's shape; or empty, and nothing is added
   * @param y of x's shape; may be x or {@code residual}
   */
  void batchNormRelu(FrozenNormalisation norm, Tensor x, Tensor residual, Tensor y);

  /**
   * The gradient of {@link #batchNormRelu} in one pass, and of every sample those of scale and
   * shift. With g = 0 where y ≤ 0, else dy: dx = g·(scale/√(variance + ε)), residualGradient = g,
   * scaleGradients[n] = Σ g·x̂ and shiftGradients[n] = Σ g over the positions of sample n, in the
   * order of {@link Backend#squareScaleGradients} and {@link Backend#squareBiasGradients}.
   *
   * @param y the output; or empty where there was no residual, and it is computed again
   * @param dx of x's shape; may be dy
   * @param residualGradient of x's shape, may be dy where dx is not; or empty
   * @param scaleGradients of shape samples × channels
   * @param shiftGradients of shape samples × channels
   */
  void batchNormReluGradient(
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Tensor residualGradient,
      Tensor scaleGradients,
      Tensor shiftGradients);

  /**
   * {@link #batchNormRelu} of a residual that is normalised, too: y = max(x̂·scale + shift +
   * residual̂·scale′ + shift′, 0).
   *
   * @param residual of x's shape
   * @param y of x's shape; may be x or {@code residual}
   */
  void batchNormReluPair(
      FrozenNormalisation norm,
      Tensor x,
      FrozenNormalisation ofResidual,
      Tensor residual,
      Tensor y);

  /**
   * Its gradient, in one pass: that of {@link #batchNormReluGradient} for both inputs. As g is the
   * same, so are the shifts' gradients.
   *
   * @param first its dx may be dy
   * @param second its dx may be dy where the first's is not
   * @param y the output
   * @param shiftGradients of shape samples × channels: each normalisation's
   */
  void batchNormReluPairGradient(
      NormalisedInput first, NormalisedInput second, Tensor y, Tensor dy, Tensor shiftGradients);

  /**
   * running ← (1 − momentum)·running + momentum·(factor·value), elementwise: how batch
   * normalisation's running statistics follow a batch's.
   */
  void moveAverage(Tensor running, Tensor value, float momentum, float factor);

  /**
   * The vectors that a backward pass starts from, made where the output is: nothing comes to the
   * host.
   *
   * @param output samples × classes
   * @param gradient of the output's shape
   */
  void lossVectors(Tensor output, LossVectors vectors, Tensor gradient);
}
