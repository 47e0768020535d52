package io.nepenthe.nn;

import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.FrozenNormalisation;
import io.nepenthe.tensor.Tensor;

/**
 * A {@link NormalisedRelu}'s nodes as one pass forward and, for a visitor that takes samples'
 * gradients, one backward. Others are shown x̂, which then is made where the layer's input was, by
 * the nodes' own steps.
 */
final class NormalisedReluStep {
  private final Dense dense;
  private final NormalisedRelu nodes;
  private final BatchNormStep norm;
  private final FrozenNormalisation frozen;
  private final Memory memory;

  /** Whether x̂ lies where the normalisation's own step has it: the input may then be gone. */
  private boolean normalised;

  /** Whether the backward pass that is under way is one pass for these nodes. */
  private boolean together;

  /**
   * Where the values lie.
   *
   * @param residual what is added; empty where nothing is
   * @param y the ReLU's output
   * @param dy its gradient; empty where no backward pass follows, as the others below
   * @param dx where the gradient of the normalisation's input goes
   * @param residualEdge where that of the residual goes
   * @param scaleGradients room for every sample's
   * @param shiftGradients likewise
   */
  record Memory(
      Tensor x,
      Tensor residual,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Step.Edge residualEdge,
      Tensor scaleGradients,
      Tensor shiftGradients) {}

  NormalisedReluStep(Dense dense, NormalisedRelu nodes, BatchNormStep norm, Memory memory) {
    this.dense = dense;
    this.nodes = nodes;
    this.norm = norm;
    this.frozen = norm.frozen();
    this.memory = memory;
  }

  /** What this node does in a pass whose outputs nobody sees: the last one does it all. */
  void forward(int node) {
    if (node == nodes.relu()) {
      dense.batchNormRelu(frozen, memory.x, memory.residual, memory.y);
      normalised = false;
    }
  }

  /** Says that the nodes' own steps made the outputs. */
  void shown() {
    normalised = true;
  }

  /** What this node does in a backward pass, from the last of them to the first. */
  void backward(int node, Step own, LayerVisitor visitor) {
    if (node == nodes.relu()) {
      together =
          !normalised
              && memory.scaleGradients.elements() > 0
              && visitor.takesSampleGradients(norm.layer());
      if (together) {
        gradient(visitor);
      }
    }
    if (together) {
      return;
    }
    if (node == nodes.norm() && !normalised) {
      norm.normalise();
      normalised = true;
    }
    own.backward(visitor);
  }

  private void gradient(LayerVisitor visitor) {
    Step.Edge edge = memory.residualEdge;
    dense.batchNormReluGradient(
        frozen,
        memory.x,
        nodes.adds() ? memory.y : Model.EMPTY,
        memory.dy,
        memory.dx,
        edge.wanted() ? edge.destination() : Model.EMPTY,
        memory.scaleGradients,
        memory.shiftGradients);
    if (edge.wanted()) {
      edge.finish(dense);
    }
    visitor.visitSampleGradients(norm.layer(), memory.scaleGradients, memory.shiftGradients);
  }
}
