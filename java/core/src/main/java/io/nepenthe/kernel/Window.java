package io.nepenthe.kernel;

/**
 * How a convolution or a pooling walks over an image: kernel size, stride, dilation (1 is dense)
 * and padding, which may differ on the four sides. All in positions.
 */
public record Window(
    int kernelHeight,
    int kernelWidth,
    int strideHeight,
    int strideWidth,
    int dilationHeight,
    int dilationWidth,
    int top,
    int left,
    int bottom,
    int right) {
  /**
   * Checks the window.
   *
   * @throws IllegalArgumentException if a size, stride or dilation is not positive, a padding is
   *     negative, or a side's padding is as large as the (dilated) kernel, so that a window could
   *     lie wholly outside the image
   */
  public Window {
    Checks.positive("kernel height", kernelHeight);
    Checks.positive("kernel width", kernelWidth);
    Checks.positive("stride height", strideHeight);
    Checks.positive("stride width", strideWidth);
    Checks.positive("dilation height", dilationHeight);
    Checks.positive("dilation width", dilationWidth);
    long reachHeight = reach(kernelHeight, dilationHeight);
    long reachWidth = reach(kernelWidth, dilationWidth);
    padding("top", top, reachHeight);
    padding("bottom", bottom, reachHeight);
    padding("left", left, reachWidth);
    padding("right", right, reachWidth);
  }

  private static long reach(long kernel, long dilation) {
    return dilation * (kernel - 1) + 1;
  }

  private static void padding(String side, int padding, long reach) {
    if (padding < 0 || padding >= reach) {
      throw new IllegalArgumentException(
          side + " padding must be in 0…" + (reach - 1) + " for this kernel, found " + padding);
    }
  }

  /** A square window with stride 1, no dilation, no padding. */
  public static Window square(int kernel) {
    return of(kernel, kernel);
  }

  /** A window with stride 1, no dilation, no padding. */
  public static Window of(int height, int width) {
    return new Window(height, width, 1, 1, 1, 1, 0, 0, 0, 0);
  }

  /** The same with this stride in both directions. */
  public Window withStride(int stride) {
    return new Window(
        kernelHeight,
        kernelWidth,
        stride,
        stride,
        dilationHeight,
        dilationWidth,
        top,
        left,
        bottom,
        right);
  }

  /** The same with this dilation in both directions. */
  public Window withDilation(int dilation) {
    return new Window(
        kernelHeight,
        kernelWidth,
        strideHeight,
        strideWidth,
        dilation,
        dilation,
        top,
        left,
        bottom,
        right);
  }

  /** The same with this padding on all sides. */
  public Window withPadding(int padding) {
    return withPadding(padding, padding, padding, padding);
  }

  /** The same with these paddings. */
  public Window withPadding(int top, int left, int bottom, int right) {
    return new Window(
        kernelHeight,
        kernelWidth,
        strideHeight,
        strideWidth,
        dilationHeight,
        dilationWidth,
        top,
        left,
        bottom,
        right);
  }

  /**
   * How many windows fit an image of this height.
   *
   * @throws IllegalArgumentException if none does
   */
  public long outputHeight(long height) {
    return output(
        "height", height, top + (long) bottom, kernelHeight, strideHeight, dilationHeight);
  }

  /**
   * How many windows fit an image of this width.
   *
   * @throws IllegalArgumentException if none does
   */
  public long outputWidth(long width) {
    return output("width", width, left + (long) right, kernelWidth, strideWidth, dilationWidth);
  }

  /**
   * Whether every window has a position within an image of this size: a dilated one may step over a
   * small image, and lie in padding alone.
   */
  public boolean meets(long height, long width) {
    return meets(height, outputHeight(height), top, strideHeight, dilationHeight)
        && meets(width, outputWidth(width), left, strideWidth, dilationWidth);
  }

  private static boolean meets(long size, long outputs, long before, long stride, long dilation) {
    // A window that begins before the image ends in or after it: padding is less than its reach. So
    // it has a first position from 0 on, which lies less than a dilation from there.
    for (long i = 0; size < dilation && i < outputs && i * stride < before; i++) {
      if (Math.floorMod(i * stride - before, dilation) >= size) {
        return false;
      }
    }
    return true;
  }

  /** The same window as a convolution's, with this many groups. */
  public Convolution convolution(int groups) {
    return new Convolution(this, groups);
  }

  private static long output(
      String what, long size, long padding, long kernel, long stride, long dilation) {
    long room = size + padding - reach(kernel, dilation);
    if (size < 1 || room < 0) {
      throw new IllegalArgumentException(
          "a kernel that reaches over "
              + reach(kernel, dilation)
              + " positions does not fit "
              + what
              + " "
              + size
              + " with padding "
              + padding);
    }
    return room / stride + 1;
  }
}
