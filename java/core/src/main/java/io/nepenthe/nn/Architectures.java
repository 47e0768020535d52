package io.nepenthe.nn;

import io.nepenthe.kernel.Window;

/** The networks that come with the library; {@link Model#initialise} gives them weights. */
public final class Architectures {
  private static final Window SAME = Window.square(3).withPadding(1);
  private static final Window HALF = Window.square(2).withStride(2);

  private Architectures() {}

  /** Linear layers with ReLU between them; hidden layers of these sizes, perhaps none. */
  public static Network mlp(Extent input, int classes, int... hidden) {
    Network.Builder builder = Network.builder(input);
    if (!input.isVector()) {
      builder.then(new Layer.Flatten());
    }
    long features = input.elements();
    for (int i = 0; i < hidden.length; i++) {
      builder.then(new Layer.Linear("fc" + (i + 1), features, hidden[i], true));
      builder.then(new Layer.Relu());
      features = hidden[i];
    }
    return builder
        .then(new Layer.Linear("fc" + (hidden.length + 1), features, classes, true))
        .build();
  }

  /**
   * LeNet-5 (LeCun et al. 1998) with ReLU and max pooling: 5×5 convolutions to 6 and 16 channels,
   * linear layers of 120 and 84. Images of 28 pixels or fewer are padded by 2. 61,706 parameters
   * for 28×28×1, 62,006 for 32×32×3, ten classes.
   */
  public static Network lenet(Extent input, int classes) {
    Window first = Window.square(5).withPadding(input.height() <= 28 ? 2 : 0);
    Network.Builder builder =
        Network.builder(input)
            .then(new Layer.Conv2d("conv1", input.channels(), 6, first, true))
            .then(new Layer.Relu())
            .then(new Layer.MaxPool(HALF))
            .then(new Layer.Conv2d("conv2", 6, 16, Window.square(5), true))
            .then(new Layer.Relu())
            .then(new Layer.MaxPool(HALF))
            .then(new Layer.Flatten());
    long features = builder.build().output().channels();
    return builder
        .then(new Layer.Linear("fc1", features, 120, true))
        .then(new Layer.Relu())
        .then(new Layer.Linear("fc2", 120, 84, true))
        .then(new Layer.Relu())
        .then(new Layer.Linear("fc3", 84, classes, true))
        .build();
  }

  /** {@link #resnet9(Extent, int, int, Layer, boolean)} with ReLU and a bias. */
  public static Network resnet9(Extent input, int classes, int width) {
    return resnet9(input, classes, width, new Layer.Relu(), true);
  }

  /**
   * ResNet-9 as used for CIFAR (after Page, DAWNBench 2018): convolutions of width, 2·width
   * (halved), a residual pair, 4·width (halved), 8·width (halved), a residual pair, the maximum
   * over what is left, a linear layer; each convolution 3×3 without bias, with batch normalisation
   * and activation.
   *
   * @param width channels after the first convolution, usually 64
   * @param activation for instance {@code new Layer.Celu(0.075f)} as in the corrective-unlearning
   *     benchmark
   * @param headBias whether the last layer has a bias
   */
  public static Network resnet9(
      Extent input, int classes, int width, Layer activation, boolean headBias) {
    Network.Builder builder = Network.builder(input);
    unit(builder, "conv1", input.channels(), width, SAME, activation);
    unit(builder, "conv2", width, 2L * width, SAME, activation).then(new Layer.MaxPool(HALF));
    pair(builder, "res1", 2L * width, activation);
    unit(builder, "conv3", 2L * width, 4L * width, SAME, activation).then(new Layer.MaxPool(HALF));
    unit(builder, "conv4", 4L * width, 8L * width, SAME, activation).then(new Layer.MaxPool(HALF));
    pair(builder, "res2", 8L * width, activation);
    Extent left = builder.build().output();
    Window whole = Window.of(Math.toIntExact(left.height()), Math.toIntExact(left.width()));
    return builder
        .then(new Layer.MaxPool(whole))
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 8L * width, classes, headBias))
        .build();
  }

  private static Network.Builder unit(
      Network.Builder builder, String name, long in, long out, Window window, Layer activation) {
    return builder
        .then(new Layer.Conv2d(name + ".conv", in, out, window, false))
        .then(new Layer.BatchNorm2d(name + ".bn", out))
        .then(activation);
  }

  private static void pair(Network.Builder builder, String name, long width, Layer activation) {
    int start = builder.last();
    unit(builder, name + ".0", width, width, SAME, activation);
    unit(builder, name + ".1", width, width, SAME, activation);
    builder.add(new Layer.Add(), builder.last(), start);
  }

  /** {@link #resnet18(Extent, int, int)} of width 64. */
  public static Network resnet18(Extent input, int classes) {
    return resnet18(input, classes, 64);
  }

  /**
   * ResNet-18 (He et al. 2016) with the stem used for CIFAR: a 3×3 convolution and no pooling.
   * 11,173,962 parameters for three channels, ten classes and width 64. Names are torchvision's.
   *
   * @param width channels of the first stage, usually 64
   */
  public static Network resnet18(Extent input, int classes, int width) {
    Network.Builder builder = Network.builder(input);
    builder
        .then(new Layer.Conv2d("conv1", input.channels(), width, SAME, false))
        .then(new Layer.BatchNorm2d("bn1", width))
        .then(new Layer.Relu());
    long in = width;
    for (int stage = 1; stage <= 4; stage++) {
      long out = (long) width << (stage - 1);
      for (int block = 0; block < 2; block++) {
        basic(builder, "layer" + stage + "." + block, in, out, stage > 1 && block == 0 ? 2 : 1);
        in = out;
      }
    }
    return builder
        .then(new Layer.GlobalAveragePool())
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", in, classes, true))
        .build();
  }

  private static void basic(Network.Builder builder, String name, long in, long out, int stride) {
    int start = builder.last();
    builder
        .then(new Layer.Conv2d(name + ".conv1", in, out, SAME.withStride(stride), false))
        .then(new Layer.BatchNorm2d(name + ".bn1", out))
        .then(new Layer.Relu())
        .then(new Layer.Conv2d(name + ".conv2", out, out, SAME, false))
        .then(new Layer.BatchNorm2d(name + ".bn2", out));
    int residual = builder.last();
    int shortcut = start;
    if (stride != 1 || in != out) {
      Window point = Window.square(1).withStride(stride);
      int down =
          builder.add(new Layer.Conv2d(name + ".downsample.0", in, out, point, false), start);
      shortcut = builder.add(new Layer.BatchNorm2d(name + ".downsample.1", out), down);
    }
    builder.add(new Layer.Add(), residual, shortcut);
    builder.then(new Layer.Relu());
  }
}
