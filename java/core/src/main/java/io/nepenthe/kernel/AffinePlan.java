package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * An {@link Affine} operation planned once and run many times. Each of the passes is planned at its
 * first run; later runs allocate nothing. All shapes are those of {@link #sizes()}; outputs may
 * overlap no other argument. Where there is no bias, {@code bias} is an empty tensor. A plan is
 * used by one thread at a time, and no longer than the backend that made it. Failures of the
 * underlying library are a {@link NativeException}; every use after {@link #close()} is an {@link
 * IllegalStateException}.
 */
public sealed interface AffinePlan extends AutoCloseable permits CpuAffinePlan, CudaAffinePlan {
  /** What was planned. */
  Affine sizes();

  /** y ← the layer's output for x. */
  void forward(Tensor x, Tensor weights, Tensor bias, Tensor y);

  /**
   * dx ← the gradient with respect to the input, given that of the output.
   *
   * @param accumulate whether it is added to what dx holds: each element once, when it is whole
   */
  void inputGradient(Tensor dy, Tensor weights, Tensor dx, boolean accumulate);

  /**
   * The gradients with respect to weights and bias, summed over the batch.
   *
   * @param accumulate whether they are added to what the outputs hold
   */
  void parameterGradient(Tensor x, Tensor dy, Tensor dWeights, Tensor dBias, boolean accumulate);

  /**
   * The implementations that the passes planned so far use, as the underlying library names them,
   * comma-separated.
   */
  String implementations();

  /** Releases the plan; closing again does nothing. */
  @Override
  void close();
}
