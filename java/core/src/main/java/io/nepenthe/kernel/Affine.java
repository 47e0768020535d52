package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;

/** The sizes of an operation that is linear in its input and its weights, for one batch size. */
public sealed interface Affine {
  /** The shape of the input x. */
  Shape input();

  /** The shape of the output y. */
  Shape output();

  /** The shape of the weights. */
  Shape weights();

  /** The shape of the bias: empty, of size 0, where there is none. */
  Shape biases();

  /** The multiplications and additions of one forward pass; each gradient takes as many. */
  long flops();

  /**
   * y = x·Wᵀ + b, x of shape batch × inputs, W outputs × inputs.
   *
   * @param batch the number of samples
   * @param inputs features in
   * @param outputs features out
   * @param bias whether b is there
   */
  record Linear(long batch, long inputs, long outputs, boolean bias) implements Affine {
    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if one is not positive or passes 2^31 − 1
     */
    public Linear {
      Checks.size("batch", batch);
      Checks.size("inputs", inputs);
      Checks.size("outputs", outputs);
    }

    @Override
    public Shape input() {
      return Shape.of(batch, inputs);
    }

    @Override
    public Shape output() {
      return Shape.of(batch, outputs);
    }

    @Override
    public Shape weights() {
      return Shape.of(outputs, inputs);
    }

    @Override
    public Shape biases() {
      return Shape.of(bias ? outputs : 0);
    }

    @Override
    public long flops() {
      return 2 * batch * inputs * outputs;
    }
  }

  /**
   * Convolution (cross-correlation, as all frameworks have it) of N·H·W·C images with weights
   * O·KH·KW·(I/groups).
   *
   * @param batch the number of images
   * @param height of the images
   * @param width of the images
   * @param inputs channels in
   * @param outputs channels out
   * @param window kernel, stride, dilation, padding
   * @param groups the channels in and out fall into this many groups that do not see each other
   * @param bias whether a bias per output channel is added
   */
  record Convolution(
      long batch,
      long height,
      long width,
      long inputs,
      long outputs,
      Window window,
      int groups,
      boolean bias)
      implements Affine {
    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if one is not positive or passes 2^31 − 1, the groups do not
     *     divide the channels, or the window does not fit the image
     */
    public Convolution {
      Checks.size("batch", batch);
      Checks.size("height", height);
      Checks.size("width", width);
      Checks.size("inputs", inputs);
      Checks.size("outputs", outputs);
      Checks.positive("groups", groups);
      if (inputs % groups != 0 || outputs % groups != 0) {
        throw new IllegalArgumentException(
            groups + " groups do not divide " + inputs + " → " + outputs + " channels");
      }
      Checks.size("output height", window.outputHeight(height));
      Checks.size("output width", window.outputWidth(width));
    }

    @Override
    public Shape input() {
      return Shape.of(batch, height, width, inputs);
    }

    @Override
    public Shape output() {
      return Shape.of(batch, window.outputHeight(height), window.outputWidth(width), outputs);
    }

    @Override
    public Shape weights() {
      return Shape.of(outputs, window.kernelHeight(), window.kernelWidth(), inputs / groups);
    }

    @Override
    public Shape biases() {
      return Shape.of(bias ? outputs : 0);
    }

    @Override
    public long flops() {
      return 2 * output().elements() * (weights().elements() / outputs);
    }
  }
}
