package io.nepenthe.curvature;

import io.nepenthe.data.ImageShape;
import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;

/** Small networks that between them have every kind of block and every order of contraction. */
final class CurvatureNets {
  static final int CLASSES = 3;
  static final ImageShape IMAGE = new ImageShape(7, 6, 2);
  static final Extent INPUT = Extent.image(7, 6, 2);

  private CurvatureNets() {}

  static TinyData data(long size) {
    return new TinyData(size, IMAGE, CLASSES, 5, 0);
  }

  /**
   * Positions against outputs and features: conv1 T 42, O 6, I 19; conv2 groups, stride, no bias;
   * conv3 T 2, dilation, asymmetric padding; wide T 2 &lt; O 9 and &lt; I; tiedGroups T 12, used
   * twice, two groups; tied, fc, head T 1.
   */
  static Network all() {
    Window three = Window.square(3).withPadding(1);
    Layer.Linear tied = new Layer.Linear("tied", 10, 10, true);
    Layer.Conv2d tiedGroups = new Layer.Conv2d("tiedGroups", 4, 4, three, 2, true);
    return Network.builder(INPUT)
        .then(new Layer.Conv2d("point", 2, 3, Window.square(1), true))
        .then(new Layer.Conv2d("conv1", 3, 6, three, true))
        .then(new Layer.BatchNorm2d("norm", 6))
        .then(new Layer.Relu())
        .then(new Layer.Conv2d("conv2", 6, 4, three.withStride(2), 2, true))
        .then(tiedGroups)
        .then(new Layer.Relu())
        .then(tiedGroups)
        .then(new Layer.Relu())
        .then(
            new Layer.Conv2d(
                "conv3", 4, 9, Window.square(2).withDilation(2).withPadding(1, 0, 0, 0), false))
        .then(new Layer.Relu())
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 27, 10, true))
        .then(tied)
        .then(new Layer.Relu())
        .then(tied)
        .then(new Layer.Linear("head", 10, CLASSES, true))
        .build();
  }

  /** Layers used twice, of every kind, and one used three times. */
  static Network tied() {
    Layer.Conv2d conv = new Layer.Conv2d("conv", 4, 4, Window.square(3).withPadding(1), 2, true);
    Layer.BatchNorm2d norm = new Layer.BatchNorm2d("norm", 4);
    Layer.Linear fc = new Layer.Linear("fc", 5, 5, true);
    return Network.builder(INPUT)
        .then(new Layer.Conv2d("first", 2, 4, Window.square(3).withStride(2), false))
        .then(norm)
        .then(conv)
        .then(new Layer.Relu())
        .then(norm)
        .then(conv)
        .then(new Layer.Flatten())
        .then(new Layer.Linear("middle", 24, 5, true))
        .then(fc)
        .then(new Layer.Relu())
        .then(fc)
        .then(fc)
        .then(new Layer.Linear("head", 5, CLASSES, true))
        .build();
  }

  /**
   * Convolutions of padded images: circular, with groups and stride; mirrored; the nearest
   * position.
   */
  static Network padded() {
    return Network.builder(INPUT)
        .then(new Layer.Pad(new Padding(2, 1, 0, 3, Padding.Mode.CIRCULAR, 0)))
        .then(new Layer.Conv2d("first", 2, 4, Window.square(3), true))
        .then(new Layer.Relu())
        .then(new Layer.Pad(Padding.of(1, Padding.Mode.CIRCULAR)))
        .then(new Layer.Conv2d("grouped", 4, 6, Window.square(3).withStride(2), 2, true))
        .then(new Layer.Relu())
        .then(new Layer.Pad(Padding.of(1, Padding.Mode.REFLECT)))
        .then(new Layer.Conv2d("mirrored", 6, 5, Window.square(3), false))
        .then(new Layer.Pad(Padding.of(1, Padding.Mode.REPLICATE)))
        .then(new Layer.Conv2d("nearest", 5, 4, Window.square(3).withStride(2), true))
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 4 * 2 * 2, CLASSES, true))
        .build();
  }

  static Network mlp(int hidden) {
    return Network.builder(INPUT)
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc1", 84, hidden, true))
        .then(new Layer.Relu())
        .then(new Layer.Linear("fc2", hidden, CLASSES, true))
        .build();
  }

  /** No non-linearity. */
  static Network deepLinear() {
    return Network.builder(INPUT)
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc1", 84, 7, true))
        .then(new Layer.Linear("fc2", 7, 5, true))
        .then(new Layer.Linear("fc3", 5, CLASSES, true))
        .build();
  }

  /** Linear, and the positions are averaged before the loss. */
  static Network pooledLinear() {
    return Network.builder(INPUT)
        .then(new Layer.Conv2d("conv", 2, 4, Window.square(2), true))
        .then(new Layer.GlobalAveragePool())
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 4, CLASSES, true))
        .build();
  }

  static Network softmaxRegression() {
    return Network.builder(INPUT)
        .then(new Layer.Flatten())
        .then(new Layer.Linear("fc", 84, CLASSES, true))
        .build();
  }
}
