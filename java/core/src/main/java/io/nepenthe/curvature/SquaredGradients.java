package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The visitor that adds Σₙ gₙ∘² for every parameter: each sample's own gradient, squared. Layers
 * that share their parameters are right: their sample gradients are summed over the uses before
 * they are squared.
 */
public final class SquaredGradients implements LayerVisitor, AutoCloseable {
  private final Backend backend;
  private final Arena arena = Arena.ofShared();
  private final Parameters sums;
  private final Parameters rests;
  private final Map<String, DriftFreeSum> states = new LinkedHashMap<>();
  private final Map<String, TiedLayer> tied = new HashMap<>();

  /** By the layer's node; null at others. */
  private final Slot[] slots;

  /** Where a layer's squares go; made once, so that visits make no objects. */
  private record Slot(Convolution convolution, DriftFreeSum weight, Optional<DriftFreeSum> bias) {}

  /** Zeros for the model's parameters. The backend must outlive this. */
  public SquaredGradients(Model model, Backend backend) {
    this.backend = backend;
    Parameters parameters = model.parameters();
    this.sums = Owned.orClose(arena::close, () -> parameters.zerosLike(arena, backend::zeros));
    this.rests = Owned.orClose(arena::close, () -> parameters.zerosLike(arena, backend::zeros));
    for (Parameters.Parameter sum : sums.all()) {
      String name = sum.spec().name();
      states.put(name, DriftFreeSum.of(sum.value(), rests.get(name).value()));
    }
    this.slots = new Slot[model.network().nodes().size()];
    for (ParametricLayer layer : model.layers()) {
      Slot slot = slot(layer);
      slots[layer.node()] = slot;
      if (layer.uses() > 1) {
        tied.computeIfAbsent(
            layer.layer().name(), name -> TiedLayer.of(layer, backend, slot.weight, slot.bias));
      }
    }
  }

  private Slot slot(ParametricLayer layer) {
    Convolution convolution =
        layer.layer() instanceof Layer.Conv2d conv
            ? conv.window().convolution(conv.groups())
            : Window.square(1).convolution(1);
    return new Slot(
        convolution,
        sum(layer.weight().spec().name()),
        layer.bias().map(bias -> sum(bias.spec().name())));
  }

  /** The sums so far; it counts backward passes over samples. */
  public DriftFreeSum sum(String parameter) {
    DriftFreeSum state = states.get(parameter);
    if (state == null) {
      throw new IllegalArgumentException("no parameter is named " + parameter);
    }
    return state;
  }

  /** Writes every sum, rounded once, to the parameters of the same names. */
  public void value(Parameters out) {
    if (backend.holds(out.flat())) {
      backend.dense().add(sums.flat(), rests.flat(), out.flat());
      return;
    }
    try (Arena scratch = Arena.ofConfined()) {
      Tensor here = backend.zeros(scratch, out.flat().shape());
      backend.dense().add(sums.flat(), rests.flat(), here);
      out.flat().copyFrom(here);
    }
  }

  /** Adds the squares of gradients given as such, for instance of a batch's mean loss. */
  public void addSquares(Parameters gradient) {
    states.forEach((name, state) -> backend.accumulateSquare(state, gradient.get(name).value()));
  }

  /** Adds the absolute values of gradients given as such. */
  void addAbsolutes(Parameters gradient) {
    states.forEach((name, state) -> backend.accumulateAbs(state, gradient.get(name).value()));
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    Slot slot = layer.node() < slots.length ? slots[layer.node()] : null;
    if (slot == null) {
      throw new IllegalArgumentException("node " + layer.node() + " belongs to another model");
    }
    if (layer.uses() > 1) {
      tied.get(layer.layer().name()).visit(layer, input, outputGradient);
      return;
    }
    switch (layer.layer()) {
      case Layer.Linear _ -> backend.squareGradients(input, outputGradient, slot.weight);
      case Layer.Conv2d _ ->
          backend.squareGradients(slot.convolution, input, outputGradient, slot.weight);
      case Layer.BatchNorm2d _ -> backend.squareScaleGradients(input, outputGradient, slot.weight);
    }
    if (slot.bias.isPresent()) {
      backend.squareBiasGradients(outputGradient, slot.bias.get());
    }
  }

  @Override
  public boolean takesSampleGradients(ParametricLayer layer) {
    return layer.uses() == 1; // those of tied layers are summed first
  }

  @Override
  public void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {
    Slot slot = slots[layer.node()];
    backend.squareBiasGradients(scale, slot.weight);
    backend.squareBiasGradients(shift, slot.bias.orElseThrow());
  }

  /** Releases the sums; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      tied.values().forEach(TiedLayer::close);
      arena.close();
    }
  }
}
