package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.SquareGradients;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Shape;

/**
 * Layers of known networks, by the names that the benchmarks take.
 *
 * @param window of a convolution; a point for a linear layer
 * @param samples in a batch
 * @param height rows of the image; 1 for a linear layer
 * @param width columns of the image; the positions of a linear layer
 * @param inputs channels in
 * @param outputs channels out
 */
record LayerSizes(Window window, long samples, long height, long width, long inputs, long outputs) {
  /**
   * "64-64-3x3-32" is a convolution of 64 to 64 channels, 3×3, on 32×32 images, padded to keep the
   * size; "1024-1024" a linear layer, "768-3072-T512" one with 512 shared positions.
   *
   * @param samples of the batch; 0 for the layer's usual number
   */
  static LayerSizes of(String name, long samples) {
    String[] part = name.split("-");
    long inputs = Long.parseLong(part[0]);
    long outputs = Long.parseLong(part[1]);
    if (part.length == 4) {
      int kernel = Integer.parseInt(part[2].substring(0, part[2].indexOf('x')));
      long size = Long.parseLong(part[3]);
      Window window = Window.square(kernel).withPadding(kernel / 2);
      return new LayerSizes(window, samples == 0 ? 64 : samples, size, size, inputs, outputs);
    }
    long positions = part.length == 3 ? Long.parseLong(part[2].substring(1)) : 1;
    long usual = Math.max(4, 256 / positions);
    return new LayerSizes(
        Window.square(1), samples == 0 ? usual : samples, 1, positions, inputs, outputs);
  }

  boolean isConvolution() {
    return height > 1;
  }

  Shape input() {
    return Shape.of(samples, height, width, inputs);
  }

  Shape output() {
    return Shape.of(samples, height, width, outputs);
  }

  Convolution convolution() {
    return window.convolution(1);
  }

  Shape weights() {
    return convolution().weights(inputs, outputs);
  }

  long positions() {
    return height * width;
  }

  /** The sizes as the operations' cost models take them. */
  SquareGradients.Size size() {
    return new SquareGradients.Size(samples, positions(), weights().elements() / outputs, outputs);
  }

  /** The same layer for the dense library: positions of a linear layer are rows like samples. */
  Affine affine() {
    return isConvolution()
        ? new Affine.Convolution(samples, height, width, inputs, outputs, window, 1, false)
        : new Affine.Linear(samples * width, inputs, outputs, false);
  }
}
