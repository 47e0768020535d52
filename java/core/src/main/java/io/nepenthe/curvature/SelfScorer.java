package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The visitor that adds every example's own weighted square norm, block by block. */
final class SelfScorer implements LayerVisitor, AutoCloseable {
  private static final Convolution POINT = Window.square(1).convolution(1);

  private final Backend backend;
  private final InverseCurvature inverse;
  private final InfluenceScores scores;
  private final Arena arena = Arena.ofShared();
  private final Ones ones = new Ones();
  private final Map<String, RotatedGradients> rotated = new HashMap<>();
  private final Map<String, Integer> seen = new HashMap<>();
  private final Map<String, Tensor> sums = new HashMap<>();
  private Tensor room = Tensor.zeros(arena, 0);
  private long first;

  SelfScorer(Backend backend, InverseCurvature inverse, InfluenceScores scores) {
    this.backend = backend;
    this.inverse = inverse;
    this.scores = scores;
    for (ParameterBlock block : inverse.blocks()) {
      inverse
          .basis(block)
          .ifPresent(basis -> rotated.put(block.name(), new RotatedGradients(basis, backend)));
    }
  }

  LayerVisitor visiting(long example, int count) {
    first = example;
    seen.clear();
    if (room.elements() < count) {
      room = Tensor.zeros(arena, count);
    }
    return this;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    Tensor gradient = ParameterBlock.image(outputGradient);
    for (ParameterBlock block : inverse.blocks()) {
      if (!block.layer().equals(layer.layer().name())) {
        continue;
      }
      Weighted sink = new Weighted(block);
      if (rotated.containsKey(block.name())) {
        Tensor rows = ones.inputOf(block, input, gradient);
        rotated.get(block.name()).visit(layer, rows, gradient, sink);
      } else if (block.isDiagonal() || layer.uses() > 1 || block.appendsOne()) {
        written(block, layer, input, outputGradient, sink);
      } else {
        sink.products(0, block.convolution(), ones.inputOf(block, input, gradient), gradient);
      }
    }
  }

  /** Where the gradients themselves are needed: of vectors, sums over uses, appended biases. */
  private void written(
      ParameterBlock block, ParametricLayer layer, Tensor input, Tensor gradient, Weighted sink) {
    Shape shape = EkFac.shape(block);
    long n = input.shape().size(0);
    Tensor held = sums.get(block.name());
    if (held == null || held.elements() < n * shape.elements()) {
      held = Tensor.zeros(arena, n * shape.elements());
      sums.put(block.name(), held);
    }
    Tensor target = held.slice(0, Shape.of(n, shape.size(0), shape.size(1)));
    Map<String, Tensor> out = Map.of(block.name(), target);
    int use = seen.merge(block.name(), 1, Integer::sum);
    try (SampleBlockGradients writer = new SampleBlockGradients(backend, List.of(block), out);
        Arena scratch = Arena.ofConfined()) {
      if (use == 1) {
        writer.visit(layer, input, gradient);
      } else {
        Tensor before = Tensor.zeros(scratch, target.shape());
        before.copyFrom(target);
        writer.visit(layer, input, gradient);
        backend.dense().add(target, before, target);
      }
    }
    if (use == layer.uses()) {
      sink.whole(0, target);
    }
  }

  /** Weights by W and adds to the scores. */
  private final class Weighted implements RotatedGradients.Sink {
    private final ParameterBlock block;

    Weighted(ParameterBlock block) {
      this.block = block;
    }

    @Override
    public void products(long from, Convolution convolution, Tensor input, Tensor gradient) {
      Tensor out = room.slice(0, Shape.of(input.shape().size(0)));
      Tensor weights = inverse.weights(block);
      Shape in = input.shape();
      if (convolution.equals(POINT) && in.size(1) == 1) {
        // As rows: one position has a cheaper form there.
        backend.perSample().selfScores(rows(input), rows(gradient), weights, out);
      } else {
        backend.perSample().selfScores(convolution, input, gradient, weights, out);
      }
      add(from, out);
    }

    private static Tensor rows(Tensor image) {
      Shape shape = image.shape();
      return image.reshape(Shape.of(shape.size(0), shape.size(2), shape.size(3)));
    }

    @Override
    public void whole(long from, Tensor gradients) {
      Tensor out = room.slice(0, Shape.of(gradients.shape().size(0)));
      backend.perSample().selfScores(gradients, inverse.weights(block), out);
      add(from, out);
    }

    private void add(long from, Tensor out) {
      scores.add(block, 0, first + from, out.reshape(Shape.of(1, out.elements())));
    }
  }

  @Override
  public void close() {
    ones.close();
    rotated.values().forEach(RotatedGradients::close);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
