package io.nepenthe.benchmarks;

import io.nepenthe.kernel.MaskedSgd;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/** The networks, batches and optimiser that whole-pass benchmarks and their peers share. */
final class Passes {
  static final int CLASSES = 10;
  static final float RATE = 0.01f;
  static final float MOMENTUM = 0.9f;
  static final float WEIGHT_DECAY = 5e-4f;
  private static final int WIDTH = 64;

  private Passes() {}

  /**
   * LeNet or an MLP for 28×28×1, ResNet-9 (of width 16, too) or ResNet-18 of width 64 for 32×32×3,
   * with seeded weights.
   */
  static Model model(String name) {
    Extent grey = Extent.image(28, 28, 1);
    Extent colour = Extent.image(32, 32, 3);
    Network network =
        switch (name) {
          case "lenet" -> Architectures.lenet(grey, CLASSES);
          case "mlp" -> Architectures.mlp(grey, CLASSES, 1024, 1024);
          case "resnet9-16" -> Architectures.resnet9(colour, CLASSES, WIDTH / 4);
          case "resnet9" -> Architectures.resnet9(colour, CLASSES, WIDTH);
          case "resnet18" -> Architectures.resnet18(colour, CLASSES, WIDTH);
          default -> throw new IllegalArgumentException("no network is named " + name);
        };
    return Model.initialise(network, 1);
  }

  /** SGD with momentum and weight decay. */
  static Optimiser sgd() {
    return new Optimiser.Sgd(new MaskedSgd.Options(RATE, MOMENTUM, WEIGHT_DECAY, false, 1));
  }

  /** A batch of standard normal images. */
  static Tensor input(Arena arena, Model model, int samples) {
    return Values.normal(arena, model.network().input().batch(samples), 2);
  }

  /** The class of a sample of the batch. */
  static int label(int sample) {
    return sample % CLASSES;
  }

  /** The classes of a batch. */
  static int[] labels(int samples) {
    int[] labels = new int[samples];
    for (int n = 0; n < samples; n++) {
      labels[n] = label(n);
    }
    return labels;
  }
}
