package io.nepenthe.onnx;

import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParameterSpec.Role;
import io.nepenthe.nn.Parameters;
import java.util.Random;

/** Networks and weights for the tests. */
final class Networks {
  private Networks() {}

  /** A model none of whose tensors is trivial, normalisation included. */
  static Model model(Network network, long seed) {
    Model model = Model.initialise(network, seed);
    Random random = new Random(seed);
    for (Parameters.Parameter part : model.parameters().all()) {
      if (part.spec().role() != Role.WEIGHT) {
        boolean scale = part.spec().role() == Role.SCALE;
        for (long i = 0; i < part.value().elements(); i++) {
          part.value().set(i, (scale ? 1 : 0) + 0.3f * (float) random.nextGaussian());
        }
      }
    }
    for (Parameters.Parameter part : model.buffers().all()) {
      boolean variance = part.spec().role() == Role.RUNNING_VARIANCE;
      for (long i = 0; i < part.value().elements(); i++) {
        part.value().set(i, variance ? 0.5f + random.nextFloat() : random.nextFloat() - 0.5f);
      }
    }
    return model;
  }

  /** A small network of random layers out of all kinds. */
  static Network random(long seed) {
    Random random = new Random(seed);
    Extent input =
        Extent.image(5 + random.nextInt(6), 5 + random.nextInt(6), 1 + random.nextInt(4));
    Network.Builder builder = Network.builder(input);
    Extent at = input;
    int layers = 2 + random.nextInt(6);
    for (int i = 0; i < layers; i++) {
      at = image(builder, at, "c" + i, random);
    }
    if (random.nextInt(3) == 0) {
      builder.then(new Layer.GlobalAveragePool());
      at = Extent.image(1, 1, at.channels());
    }
    builder.then(new Layer.Flatten());
    long features = at.elements();
    if (random.nextInt(3) == 0) {
      builder.then(new Layer.BatchNorm2d("flat", features, 1e-3f, 0.2f));
    }
    activation(builder, random);
    for (int i = random.nextInt(3); i > 0; i--) {
      long outputs = 2 + random.nextInt(9);
      builder.then(new Layer.Linear("f" + i, features, outputs, random.nextBoolean()));
      activation(builder, random);
      features = outputs;
    }
    return builder.then(new Layer.Linear("head", features, 5, random.nextBoolean())).build();
  }

  /** Every kind of padding, between layers that show a wrong one. */
  static Network padded() {
    return Network.builder(Extent.image(5, 6, 2))
        .then(new Layer.Pad(Padding.of(1, Padding.Mode.CIRCULAR)))
        .then(new Layer.Conv2d("circular", 2, 4, Window.square(3), true))
        .then(new Layer.Relu())
        .then(new Layer.Pad(new Padding(4, 0, 1, 5, Padding.Mode.REFLECT, 0)))
        .then(new Layer.Conv2d("mirrored", 4, 4, Window.square(3).withStride(2), 2, false))
        .then(new Layer.Celu(0.5f))
        .then(new Layer.Pad(new Padding(0, 7, 3, 1, Padding.Mode.REPLICATE, 0)))
        .then(new Layer.Conv2d("edge", 4, 3, Window.square(3).withStride(2), true))
        .then(new Layer.Pad(new Padding(0, 1, 0, 1, Padding.Mode.CONSTANT, -0.75f)))
        .then(new Layer.Pad(new Padding(1, 0, 1, 0, Padding.Mode.CONSTANT, 0)))
        .then(new Layer.Conv2d("constant", 3, 2, Window.square(2), true))
        .then(new Layer.Flatten())
        .then(new Layer.Linear("head", 2 * 4 * 7, 4, true))
        .build();
  }

  private static void activation(Network.Builder builder, Random random) {
    switch (random.nextInt(4)) {
      case 0 -> builder.then(new Layer.Relu());
      case 1 -> builder.then(new Layer.Celu(0.1f + random.nextFloat()));
      case 2 -> builder.then(new Layer.Dropout(random.nextInt(9) / 10.0));
      default -> {}
    }
  }

  private static Extent image(Network.Builder builder, Extent at, String name, Random random) {
    switch (random.nextInt(6)) {
      case 0, 1 -> {
        Window window = window(at, 4, random);
        int groups = random.nextInt(3) == 0 ? Math.toIntExact(at.channels()) : 1;
        long outputs = groups * (1L + random.nextInt(groups > 1 ? 2 : 6));
        builder.then(
            new Layer.Conv2d(name, at.channels(), outputs, window, groups, random.nextBoolean()));
      }
      case 2 -> builder.then(new Layer.BatchNorm2d(name, at.channels()));
      case 3 -> builder.then(new Layer.MaxPool(poolWindow(at, random)));
      case 4 -> builder.then(new Layer.AveragePool(poolWindow(at, random), random.nextBoolean()));
      default -> {
        int start = builder.last();
        Window same = Window.square(3).withPadding(1);
        builder.then(new Layer.Conv2d(name, at.channels(), at.channels(), same, true));
        activation(builder, random);
        builder.add(new Layer.Add(), builder.last(), start);
      }
    }
    activation(builder, random);
    return builder.build().output();
  }

  private static Window poolWindow(Extent at, Random random) {
    while (true) {
      Window window = window(at, 3, random);
      if (window.meets(at.height(), at.width())) {
        return window;
      }
    }
  }

  private static Window window(Extent at, int most, Random random) {
    while (true) {
      int height = 1 + random.nextInt(most);
      int width = 1 + random.nextInt(most);
      Window window =
          new Window(
              height,
              width,
              1 + random.nextInt(2),
              1 + random.nextInt(2),
              1 + random.nextInt(2),
              1 + random.nextInt(2),
              random.nextInt(height),
              random.nextInt(width),
              random.nextInt(height),
              random.nextInt(width));
      try {
        window.outputHeight(at.height());
        window.outputWidth(at.width());
        return window;
      } catch (IllegalArgumentException e) {
        // It does not fit; draw another.
      }
    }
  }
}
