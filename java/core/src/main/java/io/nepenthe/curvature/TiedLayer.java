package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Tensor;
import java.util.Optional;

/**
 * The squared sample gradients of a layer that several nodes share: keeps every use's input and
 * output gradient until the backward pass has seen all, then forms samples' gradients, summed over
 * the uses, and adds their squares.
 */
sealed interface TiedLayer extends AutoCloseable permits HostTiedLayer, DeviceTiedLayer {
  /**
   * Where the backend's operations run.
   *
   * @param biasSquares where there is a bias
   */
  static TiedLayer of(
      ParametricLayer layer,
      Backend backend,
      DriftFreeSum weightSquares,
      Optional<DriftFreeSum> biasSquares) {
    return backend.device() instanceof Device.Cpu
        ? new HostTiedLayer(layer, backend, weightSquares, biasSquares)
        : new DeviceTiedLayer(layer, backend, weightSquares, biasSquares);
  }

  /** Sees a use; with the last one the squares are added. */
  void visit(ParametricLayer layer, Tensor input, Tensor outputGradient);

  /** Releases what was kept. */
  @Override
  void close();
}
