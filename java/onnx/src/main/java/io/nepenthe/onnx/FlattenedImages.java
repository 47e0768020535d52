package io.nepenthe.onnx;

import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which vectors of a network are flattened images. The engine has them in the order height, width,
 * channel, ONNX in the order channel, height, width; whatever has one weight per feature of such a
 * vector is permuted.
 */
final class FlattenedImages {
  private FlattenedImages() {}

  /** Whether the two orders differ. */
  static boolean differs(Extent image) {
    return !image.isVector() && image.channels() > 1 && image.height() * image.width() > 1;
  }

  /**
   * The image that the output of a layer is, flattened; empty where the orders do not differ.
   *
   * @param images the same of its inputs
   * @param input the size of its first input
   * @param channelsLast whether a flattening layer has the file's image transposed before it
   * @throws IllegalArgumentException if the layer adds vectors of two orders
   */
  static Optional<Extent> after(
      Layer layer, List<Optional<Extent>> images, Extent input, boolean channelsLast) {
    return switch (layer) {
      case Layer.Flatten _ when !input.isVector() ->
          channelsLast || !differs(input) ? Optional.empty() : Optional.of(input);
      case Layer.Add _ -> {
        if (!images.get(0).equals(images.get(1))) {
          throw new IllegalArgumentException("Add takes vectors flattened from different images");
        }
        yield images.get(0);
      }
      case Layer.Linear _ -> Optional.empty();
      case Layer.Input _ -> Optional.empty();
      default -> images.get(0);
    };
  }

  /**
   * The image that each node's output is, flattened.
   *
   * @param channelsLast the flattening nodes before which the file has the image transposed
   * @throws IllegalArgumentException if no permutation of weights accounts for the difference
   */
  static List<Optional<Extent>> of(Network network, Set<Integer> channelsLast) {
    List<Optional<Extent>> images = new ArrayList<>();
    for (int i = 0; i < network.nodes().size(); i++) {
      Network.Node node = network.nodes().get(i);
      List<Optional<Extent>> inputs = node.inputs().stream().map(images::get).toList();
      Extent input = i == 0 ? network.input() : network.extent(node.inputs().get(0));
      images.add(after(node.layer(), inputs, input, channelsLast.contains(i)));
    }
    if (images.getLast().isPresent()) {
      throw new IllegalArgumentException(
          "the output is an image of " + images.getLast().get() + ", flattened");
    }
    return Collections.unmodifiableList(images);
  }

  /**
   * Checks that the uses of tied layers take vectors of one order.
   *
   * @throws IllegalArgumentException if they do not
   */
  static void requireTiesAgree(Network network, List<Optional<Extent>> images) {
    Map<String, Optional<Extent>> inputs = new HashMap<>();
    for (int i = 0; i < network.nodes().size(); i++) {
      if (network.nodes().get(i).layer() instanceof Layer.Parametric layer) {
        Optional<Extent> image = input(network, images, i);
        Optional<Extent> other = inputs.putIfAbsent(layer.name(), image);
        if (other != null && !other.equals(image)) {
          throw new IllegalArgumentException(
              "the uses of " + layer.name() + " take vectors flattened from different images");
        }
      }
    }
  }

  /** The image that the first input of a node is, flattened. */
  static Optional<Extent> input(Network network, List<Optional<Extent>> images, int node) {
    List<Integer> inputs = network.nodes().get(node).inputs();
    return inputs.isEmpty() ? Optional.empty() : images.get(inputs.get(0));
  }

  /**
   * The flattening nodes before which a file of this network must have the image transposed: none
   * if permuted weights suffice, else all of them.
   */
  static Set<Integer> transposed(Network network) {
    try {
      requireTiesAgree(network, of(network, Set.of()));
      return Set.of();
    } catch (IllegalArgumentException e) {
      Set<Integer> all = new TreeSet<>();
      for (int i = 0; i < network.nodes().size(); i++) {
        Network.Node node = network.nodes().get(i);
        if (node.layer() instanceof Layer.Flatten
            && differs(network.extent(node.inputs().get(0)))) {
          all.add(i);
        }
      }
      return Collections.unmodifiableSet(all);
    }
  }
}
