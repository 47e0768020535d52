package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/** On the processor, one sample at a time, in plain Java: tied layers are rare and small. */
final class HostTiedLayer implements TiedLayer {
  private final Backend backend;
  private final Arena arena = Arena.ofShared();
  private final ParametricLayer[] layers;
  private final Kept[] inputs;
  private final Kept[] gradients;
  private final Tensor weight;
  private final Tensor bias;
  private final DriftFreeSum weightSquares;
  private final Optional<DriftFreeSum> biasSquares;
  private int seen;

  /** A copy that grows with the largest batch. */
  private static final class Kept {
    private Tensor room = Tensor.zeros(Arena.global(), 0);
    private Tensor now = room;

    void keep(Arena arena, Tensor value) {
      if (value.elements() > room.elements()) {
        room = Tensor.zeros(arena, value.elements());
      }
      if (!now.shape().equals(value.shape()) || now.address() != room.address()) {
        now = room.slice(0, value.shape());
      }
      now.copyFrom(value);
    }
  }

  /**
   * Empty.
   *
   * @param biasSquares where there is a bias
   */
  HostTiedLayer(
      ParametricLayer layer,
      Backend backend,
      DriftFreeSum weightSquares,
      Optional<DriftFreeSum> biasSquares) {
    this.backend = backend;
    this.weightSquares = weightSquares;
    this.biasSquares = biasSquares;
    this.layers = new ParametricLayer[layer.uses()];
    this.inputs = new Kept[layer.uses()];
    this.gradients = new Kept[layer.uses()];
    for (int use = 0; use < layer.uses(); use++) {
      inputs[use] = new Kept();
      gradients[use] = new Kept();
    }
    this.weight = Tensor.zeros(arena, layer.weight().spec().shape());
    this.bias =
        Tensor.zeros(
            arena, layer.bias().map(parameter -> parameter.spec().shape()).orElse(Shape.of(0)));
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    layers[layer.use()] = layer;
    inputs[layer.use()].keep(arena, input);
    gradients[layer.use()].keep(arena, outputGradient);
    if (++seen < layer.uses()) {
      return;
    }
    seen = 0;
    for (long sample = 0; sample < input.shape().size(0); sample++) {
      weight.clear();
      bias.clear();
      for (int use = 0; use < layers.length; use++) {
        add(layers[use], sample, inputs[use].now, gradients[use].now);
      }
      backend.accumulateSquare(weightSquares, weight);
      if (biasSquares.isPresent()) {
        backend.accumulateSquare(biasSquares.get(), bias);
      }
    }
  }

  /** Adds one use's gradient of one sample. */
  private void add(ParametricLayer layer, long sample, Tensor input, Tensor gradient) {
    switch (layer.layer()) {
      case Layer.Linear linear -> linear(linear, sample, input, gradient);
      case Layer.Conv2d convolution -> convolution(convolution, sample, input, gradient);
      case Layer.BatchNorm2d normalisation -> normalisation(normalisation, sample, input, gradient);
    }
    long channels = bias.elements();
    long first = sample * (gradient.elements() / gradient.shape().size(0));
    long next = (sample + 1) * (gradient.elements() / gradient.shape().size(0));
    for (long at = first; channels > 0 && at < next; at++) {
      increase(bias, (at - first) % channels, gradient.get(at));
    }
  }

  private void linear(Layer.Linear layer, long sample, Tensor input, Tensor gradient) {
    for (long o = 0; o < layer.outputs(); o++) {
      float g = gradient.get(sample * layer.outputs() + o);
      for (long i = 0; i < layer.inputs(); i++) {
        increase(weight, o * layer.inputs() + i, g * input.get(sample * layer.inputs() + i));
      }
    }
  }

  private void normalisation(
      Layer.BatchNorm2d layer, long sample, Tensor normalised, Tensor gradient) {
    long each = gradient.elements() / gradient.shape().size(0);
    for (long at = sample * each; at < (sample + 1) * each; at++) {
      increase(weight, at % layer.channels(), gradient.get(at) * normalised.get(at));
    }
  }

  private void convolution(Layer.Conv2d layer, long sample, Tensor input, Tensor gradient) {
    Shape in = input.shape();
    Shape out = gradient.shape();
    Shape shape = weight.shape();
    var window = layer.window();
    long outputs = layer.outputs() / layer.groups();
    for (long w = 0; w < weight.elements(); w++) {
      long c = w % shape.size(3);
      long kx = w / shape.size(3) % shape.size(2);
      long ky = w / shape.size(3) / shape.size(2) % shape.size(1);
      long o = w / shape.size(3) / shape.size(2) / shape.size(1);
      long channel = o / outputs * shape.size(3) + c;
      float sum = 0;
      for (long oy = 0; oy < out.size(1); oy++) {
        long y = oy * window.strideHeight() - window.top() + ky * window.dilationHeight();
        for (long ox = 0; ox < out.size(2); ox++) {
          long x = ox * window.strideWidth() - window.left() + kx * window.dilationWidth();
          if (y >= 0 && y < in.size(1) && x >= 0 && x < in.size(2)) {
            sum +=
                gradient.get(((sample * out.size(1) + oy) * out.size(2) + ox) * out.size(3) + o)
                    * input.get(
                        ((sample * in.size(1) + y) * in.size(2) + x) * in.size(3) + channel);
          }
        }
      }
      increase(weight, w, sum);
    }
  }

  private static void increase(Tensor tensor, long index, float by) {
    tensor.set(index, tensor.get(index) + by);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
