package io.nepenthe.nn;

import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.NormalisedInput;
import io.nepenthe.tensor.Tensor;
import java.util.Optional;

/**
 * A {@link NormalisedRelu}'s nodes as one pass forward and, for a visitor that takes samples'
 * gradients, one backward. Others are shown x̂, which then is made where the layer's input was, by
 * the nodes' own steps.
 */
final class NormalisedReluStep {
  /** Arrays of samples' gradients: of two scales, and the shift's, which two have in common. */
  static final int SAMPLE_GRADIENTS = 3;

  private final Dense dense;
  private final NormalisedRelu nodes;
  private final Normalisation norm;
  private final Optional<Normalisation> second;
  private final Memory memory;

  /** Whether x̂ lies where the normalisation's own step has it: the input may then be gone. */
  private boolean normalised;

  /** Whether the backward pass that is under way is one pass for these nodes. */
  private boolean together;

  /**
   * A normalisation's own step, and what it is of the pass. Where no backward pass follows, the
   * gradients are empty.
   */
  record Normalisation(BatchNormStep own, NormalisedInput input) {
    ParametricLayer layer() {
      return own.layer();
    }

    void show(LayerVisitor visitor, Tensor shiftGradients) {
      visitor.visitSampleGradients(layer(), input.scaleGradients(), shiftGradients);
    }
  }

  /**
   * Where the other values lie.
   *
   * @param residual what is added as it is; empty where nothing is
   * @param y the ReLU's output
   * @param dy its gradient; empty where no backward pass follows, as the last
   * @param residualEdge where the residual's gradient goes
   * @param shiftGradients room for every sample's
   */
  record Memory(
      Tensor residual, Tensor y, Tensor dy, Step.Edge residualEdge, Tensor shiftGradients) {}

  NormalisedReluStep(
      Dense dense,
      NormalisedRelu nodes,
      Normalisation norm,
      Optional<Normalisation> second,
      Memory memory) {
    this.dense = dense;
    this.nodes = nodes;
    this.norm = norm;
    this.second = second;
    this.memory = memory;
  }

  /** What this node does in a pass whose outputs nobody sees: the last one does it all. */
  void forward(int node) {
    if (node != nodes.relu()) {
      return;
    }
    NormalisedInput in = norm.input;
    if (second.isPresent()) {
      NormalisedInput other = second.get().input;
      dense.batchNormReluPair(in.norm(), in.x(), other.norm(), other.x(), memory.y);
    } else {
      dense.batchNormRelu(in.norm(), in.x(), memory.residual, memory.y);
    }
    normalised = false;
  }

  /** Says that the nodes' own steps made the outputs. */
  void shown() {
    normalised = true;
  }

  /** What this node does in a backward pass, from the last of them to the first. */
  void backward(int node, Step own, LayerVisitor visitor) {
    if (node == nodes.relu()) {
      together = !normalised && memory.shiftGradients.elements() > 0 && taken(visitor);
      if (together) {
        gradient(visitor);
      } else if (!normalised) {
        norm.own.normalise();
        if (second.isPresent()) {
          second.get().own.normalise();
        }
        normalised = true;
      }
    }
    if (!together) {
      own.backward(visitor);
    }
  }

  private boolean taken(LayerVisitor visitor) {
    return visitor.takesSampleGradients(norm.layer())
        && (second.isEmpty() || visitor.takesSampleGradients(second.get().layer()));
  }

  private void gradient(LayerVisitor visitor) {
    if (second.isPresent()) {
      dense.batchNormReluPairGradient(
          norm.input, second.get().input, memory.y, memory.dy, memory.shiftGradients);
      second.get().show(visitor, memory.shiftGradients);
    } else {
      alone();
    }
    norm.show(visitor, memory.shiftGradients);
  }

  private void alone() {
    Step.Edge edge = memory.residualEdge;
    dense.batchNormReluGradient(
        norm.input.norm(),
        norm.input.x(),
        nodes.adds() ? memory.y : Model.EMPTY,
        memory.dy,
        norm.input.dx(),
        edge.wanted() ? edge.destination() : Model.EMPTY,
        norm.input.scaleGradients(),
        memory.shiftGradients);
    if (edge.wanted()) {
      edge.finish(dense);
    }
  }
}
