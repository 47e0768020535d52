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

  /**
   * Whether this use of a batch normalisation with frozen statistics may be shown as its samples'
   * gradients. Where nothing but ReLU reads the normalisation they are made by the pass over memory
   * that propagates the gradient, which then writes neither x̂ nor G.
   *
   * @return false: {@link #visit} shall see it
   */
  default boolean takesSampleGradients(ParametricLayer layer) {
    return false;
  }

  /**
   * Sees one use of a batch normalisation for which {@link #takesSampleGradients} said yes, where
   * {@link #visit} would have, or before the uses between it and its ReLU. As there, the tensors
   * belong to the execution.
   *
   * @param scale samples × channels: γ's gradient of each sample, Σ over positions of g·x̂
   * @param shift samples × channels: β's, Σ g
   */
  default void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {
    throw new UnsupportedOperationException("sample gradients of node " + layer.node());
  }
}
