package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The sizes of a layer's input and output for a batch, in the form that convolutions and linear
 * layers share: a linear layer is a window of one pixel on an image of one row, its positions.
 */
record LayerGeometry(
    Convolution convolution,
    long samples,
    long height,
    long width,
    long channels,
    long outHeight,
    long outWidth,
    long outputs) {
  /** A window of one pixel, one group. */
  static final Convolution POINT = Window.square(1).convolution(1);

  private static final int SIZES = 16;

  /**
   * The bytes that {@link #reserve} fills: a cache line's multiple, so that what follows is
   * aligned.
   */
  static final long BYTES = SIZES * Long.BYTES;

  /** Of a linear layer's input, [samples, features] or [samples, positions, features]. */
  static LayerGeometry linear(Tensor input, long outputs) {
    Shape in = input.shape();
    if (in.rank() != 2 && in.rank() != 3) {
      throw new IllegalArgumentException(
          "input must be [samples, features] or [samples, positions, features], found " + in);
    }
    long positions = in.rank() == 3 ? in.size(1) : 1;
    return new LayerGeometry(
        POINT, in.size(0), 1, positions, in.size(in.rank() - 1), 1, positions, outputs);
  }

  /** Of a linear layer, whose output gradient has the input's leading dimensions. */
  static LayerGeometry linear(Tensor input, Tensor outputGradient) {
    Shape in = input.shape();
    Shape out = outputGradient.shape();
    if ((in.rank() != 2 && in.rank() != 3) || out.rank() != in.rank()) {
      throw new IllegalArgumentException(
          "input and output gradient must both be [samples, features] or [samples, positions, features], found "
              + in
              + " and "
              + out);
    }
    long outputs = out.size(out.rank() - 1);
    if (in.rank() == 3) {
      Checks.shape("output gradient", outputGradient, in.size(0), in.size(1), outputs);
    } else {
      Checks.shape("output gradient", outputGradient, in.size(0), outputs);
    }
    return linear(input, outputs);
  }

  /** Of a convolution's input, [samples, height, width, channels]. */
  static LayerGeometry convolution(Convolution convolution, Tensor input, long outputs) {
    Shape in = input.shape();
    if (in.rank() != 4) {
      throw new IllegalArgumentException(
          "input must be [samples, height, width, channels], found " + in);
    }
    convolution.requireDivides(in.size(3), outputs);
    return new LayerGeometry(
        convolution,
        in.size(0),
        in.size(1),
        in.size(2),
        in.size(3),
        convolution.window().outputHeight(in.size(1)),
        convolution.window().outputWidth(in.size(2)),
        outputs);
  }

  /** Of a convolution. */
  static LayerGeometry convolution(Convolution convolution, Tensor input, Tensor outputGradient) {
    Shape in = input.shape();
    Shape out = outputGradient.shape();
    if (in.rank() != 4 || out.rank() != 4) {
      throw new IllegalArgumentException(
          "input and output gradient must be [samples, height, width, channels], found "
              + in
              + " and "
              + out);
    }
    LayerGeometry geometry = convolution(convolution, input, out.size(3));
    Checks.shape(
        "output gradient",
        outputGradient,
        in.size(0),
        geometry.outHeight,
        geometry.outWidth,
        out.size(3));
    return geometry;
  }

  /** The same of another number of samples. */
  LayerGeometry withSamples(long count) {
    return new LayerGeometry(
        convolution, count, height, width, channels, outHeight, outWidth, outputs);
  }

  /** T, the positions that share the weights. */
  long positions() {
    return outHeight * outWidth;
  }

  /** J, the inputs of an output: the window's values of its group. */
  long columns() {
    Window window = convolution.window();
    return (long) window.kernelHeight() * window.kernelWidth() * (channels / convolution.groups());
  }

  /** The same with the bias feature. */
  long features(boolean bias) {
    return columns() + (bias ? 1 : 0);
  }

  /**
   * These sizes and, {@link #BYTES} on, this many bytes for a kernel to work in. What the kernel
   * needs it says from the sizes alone.
   */
  MemorySegment reserve(Workspace.Turn turn, long bytes) {
    MemorySegment block = turn.reserve(BYTES + bytes);
    write(block);
    return block;
  }

  /** Without an array between: a pass over a batch allocates nothing on the heap. */
  private void write(MemorySegment sizes) {
    Window window = convolution.window();
    set(sizes, 0, samples);
    set(sizes, 1, height);
    set(sizes, 2, width);
    set(sizes, 3, channels);
    set(sizes, 4, outHeight);
    set(sizes, 5, outWidth);
    set(sizes, 6, outputs);
    set(sizes, 7, window.kernelHeight());
    set(sizes, 8, window.kernelWidth());
    set(sizes, 9, window.strideHeight());
    set(sizes, 10, window.strideWidth());
    set(sizes, 11, window.top());
    set(sizes, 12, window.left());
    set(sizes, 13, window.dilationHeight());
    set(sizes, 14, window.dilationWidth());
    set(sizes, 15, convolution.groups());
  }

  private static void set(MemorySegment sizes, long index, long value) {
    sizes.setAtIndex(ValueLayout.JAVA_LONG, index, value);
  }

  /** Feature j of group γ of sample n's unfolded input at position t; feature J is the bias's 1. */
  double feature(Tensor input, long n, long t, long group, long j) {
    if (j == columns()) {
      return 1;
    }
    Window window = convolution.window();
    long each = channels / convolution.groups();
    long y =
        t / outWidth * window.strideHeight()
            - window.top()
            + j / each / window.kernelWidth() * window.dilationHeight();
    long x =
        t % outWidth * window.strideWidth()
            - window.left()
            + j / each % window.kernelWidth() * window.dilationWidth();
    if (y < 0 || y >= height || x < 0 || x >= width) {
      return 0;
    }
    return input.get(((n * height + y) * width + x) * channels + group * each + j % each);
  }
}
