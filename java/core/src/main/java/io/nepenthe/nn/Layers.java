package io.nepenthe.nn;

import io.nepenthe.kernel.Window;
import io.nepenthe.nn.ParameterSpec.Role;
import io.nepenthe.tensor.Shape;
import java.util.List;

/** What the layer descriptions share: checks and sizes. */
final class Layers {
  private Layers() {}

  static void name(String name) {
    if (name.isBlank()) {
      throw new IllegalArgumentException("a layer with parameters needs a name");
    }
  }

  static void positive(String what, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(what + " must be positive, found " + value);
    }
  }

  static Extent one(Layer layer, List<Extent> inputs) {
    if (inputs.size() != 1) {
      throw new IllegalArgumentException(layer + " takes one input, found " + inputs.size());
    }
    return inputs.get(0);
  }

  static Extent image(Layer layer, List<Extent> inputs) {
    Extent in = one(layer, inputs);
    if (in.isVector()) {
      throw new IllegalArgumentException(layer + " takes images, found a vector of " + in);
    }
    return in;
  }

  static Extent windows(Window window, Extent in, long channels) {
    return Extent.image(window.outputHeight(in.height()), window.outputWidth(in.width()), channels);
  }

  /** Of a pooling that leaves padding out: each window needs a position within the image. */
  static Extent pooled(Layer layer, Window window, Extent in) {
    Extent out = windows(window, in, in.channels());
    if (!window.meets(in.height(), in.width())) {
      throw new IllegalArgumentException(
          layer + " has a window that lies in padding alone on images of " + in);
    }
    return out;
  }

  static List<ParameterSpec> affine(String name, Shape weight, boolean bias) {
    ParameterSpec weights = new ParameterSpec(name + ".weight", weight, Role.WEIGHT);
    return bias
        ? List.of(weights, new ParameterSpec(name + ".bias", Shape.of(weight.size(0)), Role.BIAS))
        : List.of(weights);
  }
}
