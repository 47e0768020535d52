package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/**
 * A network with values: all trainable parameters in one flat tensor, all buffers (running
 * statistics) in another. It owns their memory.
 */
public final class Model implements AutoCloseable {
  /** Stands for a tensor that is not there. */
  static final Tensor EMPTY = Tensor.zeros(Arena.global(), Shape.of(0));

  private final Arena arena = Arena.ofShared();
  private final Network network;
  private final Parameters parameters;
  private final Parameters buffers;
  private final List<ParametricLayer> layers;

  private Model(Network network) {
    this(network, (arena, shape) -> Tensor.zeros(arena, shape));
  }

  private Model(Network network, BiFunction<Arena, Shape, Tensor> memory) {
    this.network = network;
    this.parameters =
        Owned.orClose(arena::close, () -> Parameters.zeros(arena, network.parameters(), memory));
    this.buffers =
        Owned.orClose(arena::close, () -> Parameters.zeros(arena, network.buffers(), memory));
    this.layers = bind(network, parameters);
  }

  /**
   * A model whose weights are drawn from {@code seed}: uniform in ±√(6/fan-in) (He et al. 2015, for
   * ReLU), biases 0, γ 1, β 0, running mean 0, running variance 1. A tensor's values depend on the
   * seed, its name and its shape only.
   */
  public static Model initialise(Network network, long seed) {
    Model model = new Model(network);
    model.parameters.all().forEach(parameter -> Initialisation.fill(parameter, seed));
    model.buffers.all().forEach(parameter -> Initialisation.fill(parameter, seed));
    return model;
  }

  /** A model of zeros, to be filled, for instance from a file. */
  public static Model zeros(Network network) {
    return new Model(network);
  }

  /** A model with the same network and equal, separate values; the caller closes it. */
  public Model copy() {
    Model copy = new Model(network);
    copy.copyFrom(this);
    return copy;
  }

  /**
   * The same in the backend's memory; the caller closes it before the backend. Single values of a
   * model on a device cannot be read: copy it to one of the host.
   */
  public Model copyTo(Backend backend) {
    Model copy = new Model(network, backend::zeros);
    copy.copyFrom(this);
    return copy;
  }

  /**
   * Takes over the values of a model with the same network.
   *
   * @throws IllegalArgumentException if the networks differ
   */
  public void copyFrom(Model other) {
    if (!network.equals(other.network)) {
      throw new IllegalArgumentException("the two models have different networks");
    }
    parameters.flat().copyFrom(other.parameters.flat());
    buffers.flat().copyFrom(other.buffers.flat());
  }

  /** The description. */
  public Network network() {
    return network;
  }

  /** The trainable values. */
  public Parameters parameters() {
    return parameters;
  }

  /** The running statistics. */
  public Parameters buffers() {
    return buffers;
  }

  /** Whether no parameter and no running statistic is infinite or NaN. */
  public boolean isFinite() {
    return isFinite(parameters.flat()) && isFinite(buffers.flat());
  }

  private static boolean isFinite(Tensor values) {
    for (float value : values.toArray()) {
      if (!Float.isFinite(value)) {
        return false;
      }
    }
    return true;
  }

  /** Every use of a layer with parameters, in node order. */
  public List<ParametricLayer> layers() {
    return layers;
  }

  private static List<ParametricLayer> bind(Network network, Parameters parameters) {
    Map<String, Integer> uses = new HashMap<>();
    for (Network.Node node : network.nodes()) {
      if (node.layer() instanceof Layer.Parametric layer) {
        uses.merge(layer.name(), 1, Integer::sum);
      }
    }
    Map<String, Integer> seen = new HashMap<>();
    List<ParametricLayer> bound = new ArrayList<>();
    for (int i = 0; i < network.nodes().size(); i++) {
      if (network.nodes().get(i).layer() instanceof Layer.Parametric layer) {
        int use = seen.merge(layer.name(), 1, Integer::sum) - 1;
        List<Parameters.Parameter> views =
            layer.parameters().stream().map(spec -> parameters.get(spec.name())).toList();
        bound.add(new ParametricLayer(i, layer, views, use, uses.get(layer.name())));
      }
    }
    return List.copyOf(bound);
  }

  /** Releases the memory; closing again does nothing, later uses throw. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
