package io.nepenthe.onnx;

import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import java.util.Arrays;
import java.util.Optional;

/** Reads how a convolution or pooling node walks over its image. */
final class WindowReader {
  private WindowReader() {}

  /**
   * The window of a node.
   *
   * @param kernel its size if the attributes need not say it
   * @param image that it walks over
   * @throws OnnxException if the attributes are no window
   * @throws IllegalArgumentException if the engine cannot have that window
   */
  static Window read(String where, Attributes attributes, Optional<int[]> kernel, Extent image) {
    Optional<int[]> stated = attributes.integers("kernel_shape", 2, 1);
    if (stated.isEmpty() && kernel.isEmpty()) {
      throw new OnnxException(where, "a kernel_shape", "none");
    }
    int[] size = kernel.orElseGet(stated::get);
    if (stated.isPresent() && !Arrays.equals(stated.get(), size)) {
      throw new OnnxException(
          where,
          "kernel_shape " + Arrays.toString(size) + ", as the weights have it",
          Arrays.toString(stated.get()));
    }
    int[] ones = {1, 1};
    int[] strides = attributes.integers("strides", 2, 1).orElse(ones);
    int[] dilations = attributes.integers("dilations", 2, 1).orElse(ones);
    for (int i = 0; i < 2; i++) {
      if ((long) dilations[i] * size[i] > 1 << 20) {
        throw new IllegalArgumentException("a kernel that reaches over more than 2^20 positions");
      }
    }
    int[] pads = pads(where, attributes, size, strides, dilations, image);
    return new Window(
        size[0],
        size[1],
        strides[0],
        strides[1],
        dilations[0],
        dilations[1],
        pads[0],
        pads[1],
        pads[2],
        pads[3]);
  }

  /** Top, left, bottom, right. */
  private static int[] pads(
      String where,
      Attributes attributes,
      int[] kernel,
      int[] strides,
      int[] dilations,
      Extent image) {
    Optional<int[]> stated = attributes.integers("pads", 4, 0);
    String mode = attributes.text("auto_pad", "NOTSET");
    if (mode.equals("NOTSET")) {
      return stated.orElse(new int[4]);
    }
    if (stated.isPresent() && Arrays.stream(stated.get()).anyMatch(p -> p > 0)) {
      throw new OnnxException(where, "pads or auto_pad", "both");
    }
    return switch (mode) {
      case "VALID" -> new int[4];
      case "SAME_UPPER", "SAME_LOWER" -> {
        int[] pads = new int[4];
        long[] sides = {image.height(), image.width()};
        for (int i = 0; i < 2; i++) {
          long outputs = Math.ceilDiv(sides[i], strides[i]);
          long reach = (long) dilations[i] * (kernel[i] - 1) + 1;
          long all = Math.max(0, (outputs - 1) * strides[i] + reach - sides[i]);
          long less = all / 2;
          boolean upper = mode.equals("SAME_UPPER");
          pads[i] = Math.toIntExact(upper ? less : all - less);
          pads[i + 2] = Math.toIntExact(upper ? all - less : less);
        }
        yield pads;
      }
      default ->
          throw new OnnxException(
              where, "auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER", OnnxException.quote(mode));
    };
  }

  /** Refuses rounding the number of windows up, where that makes a difference. */
  static void requireFloor(String where, Attributes attributes, Window window, Extent image) {
    if (attributes.integer("ceil_mode", 0, 0, 1) == 1) {
      long height = image.height() + window.top() + window.bottom();
      long width = image.width() + window.left() + window.right();
      long reachHeight = (long) window.dilationHeight() * (window.kernelHeight() - 1) + 1;
      long reachWidth = (long) window.dilationWidth() * (window.kernelWidth() - 1) + 1;
      if ((height - reachHeight) % window.strideHeight() != 0
          || (width - reachWidth) % window.strideWidth() != 0) {
        throw new OnnxException(
            where, "ceil_mode = 0", "1, with windows that reach over the edge of " + image);
      }
    }
  }
}
