package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * One use of a layer with parameters, bound to a model's values.
 *
 * @param node its index in the network
 * @param layer its description: linear, convolution or batch normalisation
 * @param parameters its trainable tensors with their flat offsets: weights first, then the bias if
 *     there is one; for batch normalisation γ, β
 * @param use which use of these parameters this is, from 0 in node order
 * @param uses how many nodes share these parameters: 1 unless the layer is tied
 */
public record ParametricLayer(
    int node, Layer.Parametric layer, List<Parameters.Parameter> parameters, int use, int uses) {
  /** Keeps a copy of the list. */
  public ParametricLayer {
    parameters = List.copyOf(parameters);
  }

  /** The weights, or batch normalisation's γ. */
  public Parameters.Parameter weight() {
    return parameters.get(0);
  }

  /** The bias, or batch normalisation's β. */
  public Optional<Parameters.Parameter> bias() {
    return parameters.size() > 1 ? Optional.of(parameters.get(1)) : Optional.empty();
  }

  /** The bias's values; an empty tensor where there is none. */
  Tensor biasOrEmpty() {
    return parameters.size() > 1 ? parameters.get(1).value() : Model.EMPTY;
  }
}
