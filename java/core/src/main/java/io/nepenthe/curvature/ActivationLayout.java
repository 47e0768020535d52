package io.nepenthe.curvature;

import io.nepenthe.nn.Model;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * The tensors of kept activations, in the order in which a backward pass shows layers:
 *
 * <pre>
 *   input.LAYER              samples × the layer's input
 *   output_gradient.LAYER    samples × the gradient of its output
 * </pre>
 *
 * <p>The uses of a layer that is used more than once are numbered from 1 behind its name, and so
 * are the backward passes where a batch has several. Images are channels last.
 *
 * @param slots one for each use of a layer
 */
record ActivationLayout(List<Slot> slots) {
  /**
   * A use of a layer.
   *
   * @param gradients a name for each backward pass
   * @param inputs the shape of one sample's, as a batch of one
   */
  record Slot(
      ParametricLayer layer, String input, List<String> gradients, Shape inputs, Shape outputs) {}

  /** Of these layers, by name. */
  static ActivationLayout of(Model model, Set<String> layers, int passes) {
    return new ActivationLayout(
        model.layers().reversed().stream()
            .filter(layer -> layers.contains(layer.layer().name()))
            .map(layer -> slot(model, layer, passes))
            .toList());
  }

  private static Slot slot(Model model, ParametricLayer layer, int passes) {
    String name = layer.layer().name() + (layer.uses() > 1 ? ".use-" + (layer.use() + 1) : "");
    int source = model.network().nodes().get(layer.node()).inputs().getFirst();
    return new Slot(
        layer,
        "input." + name,
        IntStream.rangeClosed(1, passes)
            .mapToObj(pass -> "output_gradient." + name + (passes > 1 ? ".pass-" + pass : ""))
            .toList(),
        model.network().extent(source).batch(1),
        model.network().extent(layer.node()).batch(1));
  }

  /** The tensors of so many samples. */
  SequencedMap<String, Shape> tensors(long samples) {
    SequencedMap<String, Shape> tensors = new LinkedHashMap<>();
    for (Slot slot : slots) {
      tensors.put(slot.input, batch(slot.inputs, samples));
      slot.gradients.forEach(name -> tensors.put(name, batch(slot.outputs, samples)));
    }
    return tensors;
  }

  /** The bytes that a sample takes. */
  long bytesPerSample() {
    return tensors(1).values().stream().mapToLong(Shape::bytes).sum();
  }

  /** The shape of a batch of such samples. */
  static Shape batch(Shape one, long samples) {
    long[] sizes = new long[one.rank()];
    for (int axis = 0; axis < sizes.length; axis++) {
      sizes[axis] = axis == 0 ? samples : one.size(axis);
    }
    return Shape.of(sizes);
  }
}
