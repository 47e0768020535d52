package io.nepenthe.nn;

import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.tensor.Tensor;

/** A linear layer or a convolution. */
record AffineStep(ParametricLayer layer, AffinePlan plan, Tensor x, Tensor y, Tensor dy, Edge edge)
    implements Step {
  @Override
  public void forward() {
    plan.forward(x, layer.weight().value(), layer.biasOrEmpty(), y);
  }

  @Override
  public void backward(LayerVisitor visitor) {
    visitor.visit(layer, x, dy);
    if (edge.wanted()) {
      plan.inputGradient(dy, layer.weight().value(), edge.target(), edge.accumulates());
    }
  }

  @Override
  public String implementations() {
    return plan.implementations();
  }

  @Override
  public void close() {
    plan.close();
  }
}
