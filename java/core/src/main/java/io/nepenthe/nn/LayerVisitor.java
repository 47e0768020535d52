package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;

/**
 * What a backward pass hands out: for every use of a layer with parameters, from the last node to
 * the first, its input A and its output gradient G. Every statistic of this library is a function
 * of the two.
 */
@FunctionalInterface
public interface LayerVisitor {
  /** A visitor that does nothing. */
  LayerVisitor NONE = (layer, input, outputGradient) -> {};

  /**
   * Sees one use of a layer. The tensors belong to the execution, hold valid values only during the
   * call, and must not be written.
   *
   * @param layer what it is, with its parameters
   * @param input N·H·W·C or N·I; for batch normalisation the normalised input x̂, so that γ's
   *     gradient of sample n is Σ over positions of g·x̂ and β's is Σ g
   * @param outputGradient N·H·W·C or N·O: row n is the gradient of sample n's loss
   */
  void visit(ParametricLayer layer, Tensor input, Tensor outputGradient);
}
