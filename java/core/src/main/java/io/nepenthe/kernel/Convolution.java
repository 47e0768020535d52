package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/**
 * A window and the channels that it joins: with {@code groups} γ, output channels come in γ equal
 * runs, each reading its own run of input channels.
 *
 * @param window kernel, stride, dilation, padding
 * @param groups how many runs of channels do not mix
 */
public record Convolution(Window window, int groups) {
  /**
   * Checks the groups.
   *
   * @throws IllegalArgumentException if there is not at least one
   */
  public Convolution {
    Checks.positive("groups", groups);
  }

  /**
   * The shape of the weights, [outputs, kernelHeight, kernelWidth, inputs / groups].
   *
   * @throws IllegalArgumentException if the groups do not divide both
   */
  public Shape weights(long inputs, long outputs) {
    requireDivides(inputs, outputs);
    return Shape.of(outputs, window.kernelHeight(), window.kernelWidth(), inputs / groups);
  }

  /** Checks that a parameter is shaped as the weights are. */
  void requireWeights(Tensor weights, long inputs, long outputs) {
    requireDivides(inputs, outputs);
    Checks.shape(
        "weights", weights, outputs, window.kernelHeight(), window.kernelWidth(), inputs / groups);
  }

  void requireDivides(long inputs, long outputs) {
    if (inputs % groups != 0 || outputs % groups != 0) {
      throw new IllegalArgumentException(
          groups
              + " groups do not divide "
              + inputs
              + " input and "
              + outputs
              + " output channels");
    }
  }
}
