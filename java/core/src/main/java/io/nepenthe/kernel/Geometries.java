package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/**
 * The geometries of recent calls, found again by the very shapes that they were made from: passes
 * that repeat over the same tensors make no objects. Not for use by two threads at once.
 */
final class Geometries {
  /** More than the layers of most networks, for two batch sizes; the oldest makes room. */
  private static final int KEPT = 128;

  private final Entry[] entries = new Entry[KEPT];
  private int next;

  private record Entry(
      Convolution convolution, Shape input, Shape outputGradient, LayerGeometry geometry) {}

  /** As {@link LayerGeometry#convolution(Convolution, Tensor, Tensor)}. */
  LayerGeometry convolution(Convolution convolution, Tensor input, Tensor outputGradient) {
    LayerGeometry known = find(convolution, input, outputGradient);
    return known != null
        ? known
        : keep(
            convolution,
            input,
            outputGradient,
            LayerGeometry.convolution(convolution, input, outputGradient));
  }

  /** As {@link LayerGeometry#linear(Tensor, Tensor)}. */
  LayerGeometry linear(Tensor input, Tensor outputGradient) {
    LayerGeometry known = find(null, input, outputGradient);
    return known != null
        ? known
        : keep(null, input, outputGradient, LayerGeometry.linear(input, outputGradient));
  }

  /** Shapes never change, so that the same object needs no second check. */
  private LayerGeometry find(Convolution convolution, Tensor input, Tensor outputGradient) {
    for (int i = 0; i < KEPT && entries[i] != null; i++) {
      Entry entry = entries[i];
      if (entry.input == input.shape()
          && entry.outputGradient == outputGradient.shape()
          && entry.convolution == convolution) {
        return entry.geometry;
      }
    }
    return null;
  }

  private LayerGeometry keep(
      Convolution convolution, Tensor input, Tensor outputGradient, LayerGeometry geometry) {
    entries[next] = new Entry(convolution, input.shape(), outputGradient.shape(), geometry);
    next = (next + 1) % KEPT;
    return geometry;
  }
}
