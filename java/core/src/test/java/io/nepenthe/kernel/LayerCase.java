package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;

/** A random convolution or linear layer, its input and output gradient between guards. */
final class LayerCase {
  final Convolution convolution;
  final boolean linear;
  final LayerGeometry geometry;
  private final KernelTest.Guarded inputMemory;
  private final KernelTest.Guarded gradientMemory;
  private final Shape inputShape;
  private final Shape gradientShape;

  private LayerCase(
      Arena arena,
      Convolution convolution,
      boolean linear,
      Shape inputShape,
      long outputs,
      KernelTest.Values values) {
    this.convolution = convolution;
    this.linear = linear;
    this.inputShape = inputShape;
    this.inputMemory = KernelTest.guarded(arena, inputShape.elements(), values);
    this.geometry =
        linear
            ? LayerGeometry.linear(input(), outputs)
            : LayerGeometry.convolution(convolution, input(), outputs);
    this.gradientShape =
        linear
            ? Shape.of(inputShape.size(0), inputShape.size(1), outputs)
            : Shape.of(inputShape.size(0), geometry.outHeight(), geometry.outWidth(), outputs);
    this.gradientMemory = KernelTest.guarded(arena, gradientShape.elements(), values);
  }

  static LayerCase linear(
      Arena arena,
      long samples,
      long positions,
      long inputs,
      long outputs,
      KernelTest.Values values) {
    Shape shape = Shape.of(samples, positions, inputs);
    return new LayerCase(arena, Window.square(1).convolution(1), true, shape, outputs, values);
  }

  /** One of all kinds: windows, strides, dilations, asymmetric padding, groups, linear layers. */
  static LayerCase random(
      Arena arena, SplittableRandom random, long samples, KernelTest.Values values) {
    if (random.nextInt(3) == 0) {
      return linear(
          arena,
          samples,
          random.nextInt(1, 40),
          random.nextInt(1, 60),
          random.nextInt(1, 30),
          values);
    }
    int dilation = random.nextInt(1, 3);
    int kernelHeight = random.nextInt(1, 4);
    int kernelWidth = random.nextInt(1, 4);
    int reachHeight = Math.min(3, dilation * (kernelHeight - 1) + 1);
    int reachWidth = Math.min(3, dilation * (kernelWidth - 1) + 1);
    Window window =
        Window.of(kernelHeight, kernelWidth)
            .withStride(random.nextInt(1, 4))
            .withDilation(dilation)
            .withPadding(
                random.nextInt(reachHeight),
                random.nextInt(reachWidth),
                random.nextInt(reachHeight),
                random.nextInt(reachWidth));
    int groups = random.nextInt(3) == 0 ? random.nextInt(2, 4) : 1;
    Shape shape =
        Shape.of(
            samples,
            random.nextInt(5, 9),
            random.nextInt(5, 9),
            (long) groups * random.nextInt(1, 14));
    return new LayerCase(
        arena,
        window.convolution(groups),
        false,
        shape,
        (long) groups * random.nextInt(1, 14),
        values);
  }

  /** One of one position: windows as large as the image, groups, wide linear layers. */
  static LayerCase onePosition(
      Arena arena, SplittableRandom random, long samples, KernelTest.Values values) {
    if (random.nextBoolean()) {
      return linear(arena, samples, 1, random.nextInt(1, 1100), random.nextInt(1, 12), values);
    }
    int height = random.nextInt(1, 6);
    int width = random.nextInt(1, 6);
    int groups = random.nextInt(1, 4);
    return new LayerCase(
        arena,
        Window.of(height, width).convolution(groups),
        false,
        Shape.of(samples, height, width, (long) groups * random.nextInt(1, 14)),
        (long) groups * random.nextInt(1, 6),
        values);
  }

  Tensor input() {
    return inputMemory.tensor().reshape(inputShape);
  }

  Tensor gradient() {
    return gradientMemory.tensor().reshape(gradientShape);
  }

  /** Samples [from, to) of the input. */
  Tensor input(long from, long to) {
    return samples(input(), from, to);
  }

  /** Samples [from, to) of the output gradient. */
  Tensor gradient(long from, long to) {
    return samples(gradient(), from, to);
  }

  private static Tensor samples(Tensor all, long from, long to) {
    Shape shape = all.shape();
    long[] sizes = new long[shape.rank()];
    long each = 1;
    for (int axis = 1; axis < sizes.length; axis++) {
      sizes[axis] = shape.size(axis);
      each *= sizes[axis];
    }
    sizes[0] = to - from;
    return all.slice(from * each, Shape.of(sizes));
  }

  SquareGradients.Reference gradients(boolean bias) {
    return SampleGradients.reference(geometry, input(), gradient(), bias);
  }

  void assertUntouched() {
    inputMemory.assertUntouched();
    gradientMemory.assertUntouched();
  }
}
