package io.nepenthe.onnx;

import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.nn.ParameterSpec.Role;
import io.nepenthe.tensor.Shape;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** How the tensors of a network lie in its ONNX file. */
final class Layouts {
  private Layouts() {}

  /**
   * What a file says of a tensor.
   *
   * @param name the initialiser's name
   * @param inputsFirst whether linear weights are I·O
   * @param shape a shape of as many values, where it is not the usual one
   */
  record Style(String name, boolean inputsFirst, Optional<Shape> shape) {}

  /**
   * The layouts of all parameters, then of all buffers, each in the network's order.
   *
   * @param channelsLast the flattening nodes before which the file has the image transposed
   * @param styles what is not as usual, by the engine's names
   * @throws IllegalArgumentException if no permutation of weights accounts for ONNX's order
   */
  static List<Initialiser> of(
      Network network, Set<Integer> channelsLast, Map<String, Style> styles) {
    List<Optional<Extent>> images = FlattenedImages.of(network, channelsLast);
    FlattenedImages.requireTiesAgree(network, images);
    List<Initialiser> parameters = new ArrayList<>();
    List<Initialiser> buffers = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < network.nodes().size(); i++) {
      if (network.nodes().get(i).layer() instanceof Layer.Parametric layer
          && seen.add(layer.name())) {
        Optional<Extent> image = FlattenedImages.input(network, images, i);
        layer.parameters().forEach(spec -> parameters.add(layout(layer, spec, image, styles)));
        layer.buffers().forEach(spec -> buffers.add(layout(layer, spec, image, styles)));
      }
    }
    return Stream.concat(parameters.stream(), buffers.stream()).toList();
  }

  private static Initialiser layout(
      Layer.Parametric layer,
      ParameterSpec spec,
      Optional<Extent> image,
      Map<String, Style> styles) {
    Style style = styles.getOrDefault(spec.name(), new Style(spec.name(), false, Optional.empty()));
    Shape engine = spec.shape();
    Shape view = Shape.of(1, 1, 1, engine.elements());
    Shape usual = engine;
    Initialiser.Order order = Initialiser.Order.OCHW;
    if (spec.role() == Role.WEIGHT) {
      long outputs = engine.size(0);
      if (layer instanceof Layer.Conv2d) {
        view = engine;
        usual = Shape.of(outputs, engine.size(3), engine.size(1), engine.size(2));
      } else {
        view = split(outputs, engine.size(1), image);
        if (style.inputsFirst()) {
          order = Initialiser.Order.CHWO;
          usual = Shape.of(engine.size(1), outputs);
        }
      }
    } else if (layer instanceof Layer.BatchNorm2d) {
      view = split(1, engine.size(0), image);
    }
    return new Initialiser(spec, style.name(), style.shape().orElse(usual), view, order);
  }

  private static Shape split(long outputs, long features, Optional<Extent> image) {
    return image
        .map(e -> Shape.of(outputs, e.height(), e.width(), e.channels()))
        .orElse(Shape.of(outputs, 1, 1, features));
  }
}
