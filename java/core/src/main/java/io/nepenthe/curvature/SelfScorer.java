package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/** The visitor that adds every example's own weighted square norm, block by block. */
final class SelfScorer implements FisherVectors.Listener, AutoCloseable {
  private static final Convolution POINT = Window.square(1).convolution(1);

  private final Backend backend;
  private final InverseCurvature inverse;
  private final BatchScores scores;
  private final Arena arena = Arena.ofShared();
  private final Ones ones;
  private final GradientWriter writer;
  private final Map<String, Tensor> weights = new HashMap<>();
  private final Map<String, RotatedGradients> rotated = new HashMap<>();
  private final Map<String, Integer> seen = new HashMap<>();
  private final Map<String, Room> sums = new HashMap<>();

  SelfScorer(Backend backend, InverseCurvature inverse, InfluenceScores scores) {
    this.backend = backend;
    this.inverse = inverse;
    this.scores = new BatchScores(backend, scores, 0, 1);
    this.ones = new Ones(backend);
    this.writer = new GradientWriter(backend);
    Owned.completeOrClose(this::close, () -> inverse.blocks().forEach(this::begin));
  }

  private void begin(ParameterBlock block) {
    weights.put(block.name(), backend.here(arena, inverse.weights(block)));
    inverse
        .basis(block)
        .ifPresent(basis -> rotated.put(block.name(), new RotatedGradients(basis, backend)));
  }

  FisherVectors.Listener visiting(long example, int count) {
    seen.clear();
    scores.begin(example, count);
    return this;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    Tensor gradient = ParameterBlock.image(outputGradient);
    for (ParameterBlock block : inverse.blocks()) {
      if (!block.isOf(layer)) {
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

  @Override
  public void passed() {
    scores.end();
  }

  /** Where the gradients themselves are needed: of vectors, sums over uses, appended biases. */
  private void written(
      ParameterBlock block, ParametricLayer layer, Tensor input, Tensor gradient, Weighted sink) {
    Shape shape = EkFac.shape(block);
    Tensor target =
        sums.computeIfAbsent(block.name(), name -> new Room(arena, backend))
            .of(Shape.of(input.shape().size(0), shape.size(0), shape.size(1)));
    int use = seen.merge(block.name(), 1, Integer::sum);
    writer.write(block, input, gradient, use > 1, target);
    if (use == layer.uses()) {
      sink.whole(0, target);
    }
  }

  /** Weights by W and adds to the scores. */
  private final class Weighted implements RotatedGradients.Sink {
    private final ParameterBlock block;
    private final Tensor weight;

    Weighted(ParameterBlock block) {
      this.block = block;
      this.weight = weights.get(block.name());
    }

    @Override
    public void products(long from, Convolution convolution, Tensor input, Tensor gradient) {
      long n = input.shape().size(0);
      Tensor out = scores.of(n).reshape(Shape.of(n));
      Shape in = input.shape();
      if (convolution.equals(POINT) && in.size(1) == 1) {
        // As rows: one position has a cheaper form there.
        backend.perSample().selfScores(rows(input), rows(gradient), weight, out);
      } else {
        backend.perSample().selfScores(convolution, input, gradient, weight, out);
      }
      add(from, out);
    }

    private static Tensor rows(Tensor image) {
      Shape shape = image.shape();
      return image.reshape(Shape.of(shape.size(0), shape.size(2), shape.size(3)));
    }

    @Override
    public void whole(long from, Tensor gradients) {
      long n = gradients.shape().size(0);
      Tensor out = scores.of(n).reshape(Shape.of(n));
      backend.perSample().selfScores(gradients, weight, out);
      add(from, out);
    }

    private void add(long from, Tensor out) {
      scores.add(block, from, out.reshape(Shape.of(1, out.elements())));
    }
  }

  @Override
  public void close() {
    ones.close();
    writer.close();
    scores.close();
    rotated.values().forEach(RotatedGradients::close);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
