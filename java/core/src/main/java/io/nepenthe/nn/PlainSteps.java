package io.nepenthe.nn;

import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.tensor.Tensor;

/** The steps of layers without parameters. */
final class PlainSteps {
  private PlainSteps() {}

  record Relu(Dense dense, Tensor x, Tensor y, Tensor dy, Step.Edge edge) implements Step {
    @Override
    public void forward() {
      dense.relu(x, y);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.reluGradient(y, dy, edge.destination());
        edge.finish(dense);
      }
    }
  }

  record Celu(Dense dense, float alpha, Tensor x, Tensor y, Tensor dy, Step.Edge edge)
      implements Step {
    @Override
    public void forward() {
      dense.celu(x, y, alpha);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.celuGradient(y, dy, edge.destination(), alpha);
        edge.finish(dense);
      }
    }
  }

  record MaxPool(Dense dense, Window window, Tensor x, Tensor y, Tensor dy, Step.Edge edge)
      implements Step {
    @Override
    public void forward() {
      dense.maxPool(x, y, window);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.maxPoolGradient(x, y, dy, edge.destination(), window);
        edge.finish(dense);
      }
    }
  }

  record AveragePool(
      Dense dense,
      Window window,
      boolean paddingCounts,
      Tensor x,
      Tensor y,
      Tensor dy,
      Step.Edge edge)
      implements Step {
    @Override
    public void forward() {
      dense.averagePool(x, y, window, paddingCounts);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.averagePoolGradient(dy, edge.destination(), window, paddingCounts);
        edge.finish(dense);
      }
    }
  }

  record Pad(Dense dense, Padding padding, Tensor x, Tensor y, Tensor dy, Step.Edge edge)
      implements Step {
    @Override
    public void forward() {
      dense.pad(x, y, padding);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.padGradient(dy, edge.destination(), padding);
        edge.finish(dense);
      }
    }
  }

  record Add(
      Dense dense, Tensor a, Tensor b, Tensor y, Tensor dy, Step.Edge first, Step.Edge second)
      implements Step {
    @Override
    public void forward() {
      dense.add(a, b, y);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      // The second first: the first may hand dy's memory on, to be added to.
      if (second.wanted()) {
        second.put(dense, dy);
      }
      if (first.wanted()) {
        first.put(dense, dy);
      }
    }
  }

  /** The output is the input's memory. */
  record Flatten(Dense dense, Tensor dy, Step.Edge edge) implements Step {
    @Override
    public void forward() {}

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        edge.put(dense, dy);
      }
    }
  }

  /** Draws anew at each forward pass, from the seed, the node and the number of the pass. */
  static final class Dropout implements Step {
    private final Dense dense;
    private final double probability;
    private final Execution.Draws draws;
    private final int node;
    private final Tensor x;
    private final Tensor y;
    private final Tensor dy;
    private final Edge edge;

    Dropout(
        Dense dense,
        double probability,
        Execution.Draws draws,
        int node,
        Tensor x,
        Tensor y,
        Tensor dy,
        Edge edge) {
      this.dense = dense;
      this.probability = probability;
      this.draws = draws;
      this.node = node;
      this.x = x;
      this.y = y;
      this.dy = dy;
      this.edge = edge;
    }

    @Override
    public void forward() {
      dense.dropout(x, y, draws.key(node), probability);
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        dense.dropout(dy, edge.destination(), draws.key(node), probability);
        edge.finish(dense);
      }
    }
  }

  /** Dropout where it does not act. */
  record Copy(Dense dense, Tensor x, Tensor y, Tensor dy, Step.Edge edge) implements Step {
    @Override
    public void forward() {
      if (x.address() != y.address()) {
        y.copyFrom(x);
      }
    }

    @Override
    public void backward(LayerVisitor visitor) {
      if (edge.wanted()) {
        edge.put(dense, dy);
      }
    }
  }
}
