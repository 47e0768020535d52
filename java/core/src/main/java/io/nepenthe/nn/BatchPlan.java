package io.nepenthe.nn;

import io.nepenthe.kernel.Affine;
import io.nepenthe.kernel.Dense;
import io.nepenthe.kernel.NormalisedInput;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Parameters.Parameter;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The steps of a network for one batch size, in node order. */
final class BatchPlan implements AutoCloseable {
  private final Execution.Context context;
  private final int batch;
  private final Tensor[] outputs;
  private final Tensor[] gradients;
  private final List<Step> steps = new ArrayList<>();

  /** By node, of those that are one pass over memory together; null at others. */
  private final NormalisedReluStep[] joined;

  BatchPlan(Execution.Context context, int batch, Arena arena) {
    this.context = context;
    this.batch = batch;
    int count = context.network().nodes().size();
    outputs = new Tensor[count];
    gradients = new Tensor[count];
    for (int i = 0; i < count; i++) {
      Shape shape = context.network().extent(i).batch(batch);
      outputs[i] = view(context.memory().output(i), shape);
      gradients[i] = view(context.memory().gradient(i), shape);
    }
    int parametric = 0;
    for (int i = 1; i < count; i++) {
      boolean bound = context.network().nodes().get(i).layer() instanceof Layer.Parametric;
      ParametricLayer layer = bound ? context.model().layers().get(parametric++) : null;
      steps.add(bound ? parametric(layer, i, arena) : plain(i));
    }
    joined = new NormalisedReluStep[count];
    for (NormalisedRelu found : NormalisedRelu.of(context.network())) {
      NormalisedRelu nodes = joins(found) ? found : found.withoutSecond();
      if (joins(nodes)) {
        NormalisedReluStep step = join(nodes);
        joined[nodes.norm()] = step;
        if (nodes.pair()) {
          joined[nodes.second()] = step;
        }
        joined[nodes.relu() - 1] = step; // the addition, or the normalisation again
        joined[nodes.relu()] = step;
      }
    }
  }

  int batch() {
    return batch;
  }

  Tensor input() {
    return outputs[0];
  }

  Tensor output() {
    return outputs[outputs.length - 1];
  }

  Tensor outputGradient() {
    return gradients[gradients.length - 1];
  }

  void forward(OutputVisitor visitor) {
    for (int i = 0; i < steps.size(); i++) {
      NormalisedReluStep together = joined[i + 1];
      if (together != null && visitor == OutputVisitor.NONE) {
        together.forward(i + 1);
        continue;
      }
      steps.get(i).forward();
      visitor.visit(i + 1, outputs[i + 1]);
      if (together != null) {
        together.shown();
      }
    }
  }

  void backward(LayerVisitor visitor) {
    // Step i computes node i + 1.
    for (int i = steps.size() - 1; i >= Math.max(0, context.firstTrained() - 1); i--) {
      NormalisedReluStep together = joined[i + 1];
      if (together == null) {
        steps.get(i).backward(visitor);
      } else {
        together.backward(i + 1, steps.get(i), visitor);
      }
    }
  }

  /** Frozen all of them, and all or none of them within what the backward pass reaches. */
  private boolean joins(NormalisedRelu nodes) {
    return !context.mode(nodes.norm()).batchStatistics()
        && (nodes.first() >= context.firstTrained() || nodes.relu() < context.firstTrained())
        && context.memory().together(nodes);
  }

  private NormalisedReluStep join(NormalisedRelu nodes) {
    Tensor[] sums = new Tensor[NormalisedReluStep.SAMPLE_GRADIENTS];
    Arrays.fill(sums, Model.EMPTY);
    if (context.mode() == Mode.FROZEN && context.memory().togetherBackward(nodes)) {
      long channels = context.network().extent(nodes.norm()).channels();
      Tensor room = context.blocks().get(context.memory().sampleGradients());
      Shape shape = Shape.of(batch, channels);
      Arrays.setAll(sums, i -> room.slice(i * shape.elements(), shape));
    }
    boolean adds = nodes.adds() && !nodes.pair();
    return new NormalisedReluStep(
        context.backend().dense(),
        nodes,
        normalisation(nodes.norm(), sums[0]),
        nodes.pair() ? Optional.of(normalisation(nodes.second(), sums[1])) : Optional.empty(),
        new NormalisedReluStep.Memory(
            adds ? input(nodes.add(), nodes.other()) : Model.EMPTY,
            outputs[nodes.relu()],
            gradients[nodes.relu()],
            adds ? edge(nodes.add(), nodes.other()) : Step.Edge.UNWANTED,
            sums[2]));
  }

  private NormalisedReluStep.Normalisation normalisation(int node, Tensor scaleGradients) {
    BatchNormStep own = (BatchNormStep) steps.get(node - 1);
    return new NormalisedReluStep.Normalisation(
        own,
        new NormalisedInput(
            own.frozen(), input(node, 0), edge(node, 0).destination(), scaleGradients));
  }

  List<String> implementations() {
    return steps.stream().map(Step::implementations).filter(text -> !text.isEmpty()).toList();
  }

  private Tensor view(int block, Shape shape) {
    if (block == MemoryPlan.NONE) {
      return Model.EMPTY;
    }
    return context.blocks().get(block).slice(0, shape);
  }

  private int source(int node, int input) {
    return context.network().nodes().get(node).inputs().get(input);
  }

  private Tensor input(int node, int input) {
    return outputs[source(node, input)];
  }

  private Step.Edge edge(int node, int input) {
    if (!context.mode().backward() || !context.memory().edge(node, input).wanted()) {
      return Step.Edge.UNWANTED;
    }
    MemoryPlan.Edge edge = context.memory().edge(node, input);
    Shape shape = context.network().extent(source(node, input)).batch(batch);
    return new Step.Edge(
        view(edge.block(), shape), view(edge.target(), shape), true, edge.accumulates());
  }

  private Step parametric(ParametricLayer layer, int i, Arena arena) {
    Dense dense = context.backend().dense();
    Tensor x = input(i, 0);
    Extent in = context.network().extent(source(i, 0));
    return switch (layer.layer()) {
      case Layer.Linear _, Layer.Conv2d _ -> {
        Affine sizes = affine(layer.layer(), in, batch);
        yield new AffineStep(layer, dense.plan(sizes), x, outputs[i], gradients[i], edge(i, 0));
      }
      case Layer.BatchNorm2d norm -> {
        List<Parameter> running =
            norm.buffers().stream()
                .map(spec -> context.model().buffers().get(spec.name()))
                .toList();
        Tensor normalised =
            view(context.memory().normalised(i), context.network().extent(i).batch(batch));
        yield new BatchNormStep(
            dense,
            layer,
            context.mode(i),
            new BatchNormStep.Statistics(running.get(0).value(), running.get(1).value()),
            pair(arena, norm.channels()),
            pair(arena, norm.channels()),
            new BatchNormStep.Memory(x, normalised, outputs[i], gradients[i], edge(i, 0)));
      }
    };
  }

  private BatchNormStep.Statistics pair(Arena arena, long channels) {
    return new BatchNormStep.Statistics(
        context.backend().zeros(arena, Shape.of(channels)),
        context.backend().zeros(arena, Shape.of(channels)));
  }

  /** The sizes of a linear layer or a convolution at a place of this extent. */
  static Affine affine(Layer.Parametric layer, Extent in, int batch) {
    return switch (layer) {
      case Layer.Linear linear ->
          new Affine.Linear(batch, linear.inputs(), linear.outputs(), linear.bias());
      case Layer.Conv2d conv ->
          new Affine.Convolution(
              batch,
              in.height(),
              in.width(),
              conv.inputs(),
              conv.outputs(),
              conv.window(),
              conv.groups(),
              conv.bias());
      case Layer.BatchNorm2d norm ->
          throw new IllegalArgumentException(norm.name() + " is no linear layer or convolution");
    };
  }

  private Step plain(int i) {
    Dense dense = context.backend().dense();
    Tensor x = input(i, 0);
    Tensor y = outputs[i];
    Tensor dy = gradients[i];
    Step.Edge edge = edge(i, 0);
    return switch (context.network().nodes().get(i).layer()) {
      case Layer.Relu _ -> new PlainSteps.Relu(dense, x, y, dy, edge);
      case Layer.Celu celu -> new PlainSteps.Celu(dense, celu.alpha(), x, y, dy, edge);
      case Layer.MaxPool pool -> new PlainSteps.MaxPool(dense, pool.window(), x, y, dy, edge);
      case Layer.AveragePool pool ->
          new PlainSteps.AveragePool(dense, pool.window(), pool.paddingCounts(), x, y, dy, edge);
      case Layer.GlobalAveragePool _ ->
          new PlainSteps.AveragePool(dense, whole(source(i, 0)), false, x, y, dy, edge);
      case Layer.Pad pad -> new PlainSteps.Pad(dense, pad.padding(), x, y, dy, edge);
      case Layer.Add _ -> new PlainSteps.Add(dense, x, input(i, 1), y, dy, edge, edge(i, 1));
      case Layer.Flatten _ -> new PlainSteps.Flatten(dense, dy, edge);
      case Layer.Dropout dropout ->
          context.mode(i) == Mode.TRAIN
              ? new PlainSteps.Dropout(
                  dense, dropout.probability(), context.draws(), i, x, y, dy, edge)
              : new PlainSteps.Copy(dense, x, y, dy, edge);
      case Layer.Input _, Layer.Parametric _ ->
          throw new IllegalStateException("node " + i + " is not a plain layer");
    };
  }

  private Window whole(int node) {
    Extent in = context.network().extent(node);
    return Window.of(Math.toIntExact(in.height()), Math.toIntExact(in.width()));
  }

  @Override
  public void close() {
    steps.forEach(Step::close);
  }
}
