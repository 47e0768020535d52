package io.nepenthe.unlearn;

import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * The last k convolutions and linear layers of a network, and the normalisations from the first of
 * them on.
 *
 * @param firstNode where the tail begins
 * @param layers in it, tied ones once
 */
record Tail(int firstNode, List<ParametricLayer> layers) {
  /**
   * The tail of k layers.
   *
   * @param k −1 for all
   * @throws IllegalArgumentException if there are fewer, or a layer of the tail is tied to one
   *     before it
   */
  static Tail of(Model model, int k) {
    List<ParametricLayer> affine =
        model.layers().stream()
            .filter(layer -> !(layer.layer() instanceof Layer.BatchNorm2d))
            .toList();
    int wanted = k == -1 ? affine.size() : k;
    if (wanted < 1 || wanted > affine.size()) {
      throw new IllegalArgumentException(
          "layers must be from 1 to " + affine.size() + ", or -1 for all, found " + k);
    }
    int first = k == -1 ? 0 : affine.get(affine.size() - wanted).node();
    List<ParametricLayer> tail = new ArrayList<>();
    for (ParametricLayer layer : model.layers()) {
      boolean in = layer.node() >= first;
      if (in && layer.use() == 0) {
        tail.add(layer);
      } else if (in && tail.stream().noneMatch(other -> sharesWith(other, layer))) {
        throw new IllegalArgumentException(
            layer.layer().name() + " is also used before the last " + k + " layers");
      }
    }
    return new Tail(first, List.copyOf(tail));
  }

  private static boolean sharesWith(ParametricLayer one, ParametricLayer other) {
    return one.layer().name().equals(other.layer().name());
  }

  /** A mask of the flat parameters that selects the tail's. */
  Mask.Part mask(Arena arena, Model model) {
    Mask.Part mask = Mask.zeros(arena, List.of(model.parameters().flat().shape())).part(0);
    for (ParametricLayer layer : layers) {
      for (Parameters.Parameter parameter : layer.parameters()) {
        for (long i = 0; i < parameter.value().elements(); i++) {
          mask.set(parameter.offset() + i, true);
        }
      }
    }
    return mask;
  }

  /** Draws the tail's weights anew, and resets its running statistics. */
  void reinitialise(Model model, long seed) {
    try (Model fresh = Model.initialise(model.network(), seed)) {
      for (ParametricLayer layer : layers) {
        for (Parameters.Parameter parameter : layer.parameters()) {
          parameter.value().copyFrom(fresh.parameters().get(parameter.spec().name()).value());
        }
        layer
            .layer()
            .buffers()
            .forEach(
                spec ->
                    model
                        .buffers()
                        .get(spec.name())
                        .value()
                        .copyFrom(fresh.buffers().get(spec.name()).value()));
      }
    }
  }
}
