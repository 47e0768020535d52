package io.nepenthe.nn;

import io.nepenthe.kernel.AffinePlan;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Dense;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/**
 * The visitor behind training: the gradient of the loss summed over samples, ΔW = Σ GᵀA for every
 * layer, added up over the uses of tied layers and over all backward passes since {@link #clear}.
 */
public final class GradientAccumulator implements LayerVisitor, AutoCloseable {
  private final Dense dense;
  private final Arena arena = Arena.ofShared();
  private final Parameters gradient;
  private final List<Slot> slots = new ArrayList<>();

  /** A use of a layer: where its gradient goes, and its plans by batch size. */
  private static final class Slot {
    final ParametricLayer layer;
    final Extent in;
    final Tensor weight;
    final Tensor bias;
    final Slot first;
    final List<AffinePlan> plans = new ArrayList<>();
    final List<Integer> batches = new ArrayList<>();

    /** Of a first use: nothing was written since the gradient was cleared. */
    boolean fresh = true;

    Slot(ParametricLayer layer, Extent in, Parameters gradient, List<Slot> others) {
      this.layer = layer;
      this.in = in;
      this.weight = gradient.get(layer.weight().spec().name()).value();
      this.bias =
          layer.bias().map(bias -> gradient.get(bias.spec().name()).value()).orElse(Model.EMPTY);
      this.first =
          others.stream()
              .filter(other -> other.layer.layer().name().equals(layer.layer().name()))
              .findFirst()
              .orElse(this);
    }
  }

  /** Gradients of the model's parameters on the host, zero at first. */
  public GradientAccumulator(Model model, Backend backend) {
    this(model, backend, (arena, shape) -> Tensor.zeros(arena, shape));
  }

  private GradientAccumulator(
      Model model, Backend backend, BiFunction<Arena, Shape, Tensor> memory) {
    this.dense = backend.dense();
    this.gradient = model.parameters().zerosLike(arena, memory);
    for (ParametricLayer layer : model.layers()) {
      int input = model.network().nodes().get(layer.node()).inputs().get(0);
      slots.add(new Slot(layer, model.network().extent(input), gradient, slots));
    }
  }

  /** The same in the backend's memory: nothing is copied, and single values cannot be read. */
  public static GradientAccumulator resident(Model model, Backend backend) {
    return new GradientAccumulator(model, backend, backend::zeros);
  }

  /** Starts anew from zero. */
  public void clear() {
    for (int i = 0; i < slots.size(); i++) {
      slots.get(i).fresh = true;
    }
  }

  /** The gradient under the parameters' names, of the loss summed over samples. */
  public Parameters gradient() {
    for (int i = 0; i < slots.size(); i++) {
      Slot slot = slots.get(i);
      if (slot.first == slot && slot.fresh) {
        slot.weight.clear();
        slot.bias.clear();
        slot.fresh = false;
      }
    }
    return gradient;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    Slot slot = slot(layer);
    boolean accumulate = !slot.first.fresh;
    if (layer.layer() instanceof Layer.BatchNorm2d) {
      dense.batchNormSums(input, outputGradient, slot.weight, slot.bias, accumulate);
    } else {
      plan(slot, Math.toIntExact(input.shape().size(0)))
          .parameterGradient(input, outputGradient, slot.weight, slot.bias, accumulate);
    }
    slot.first.fresh = false;
  }

  private Slot slot(ParametricLayer layer) {
    for (int i = 0; i < slots.size(); i++) {
      if (slots.get(i).layer.node() == layer.node()) {
        return slots.get(i);
      }
    }
    throw new IllegalArgumentException("node " + layer.node() + " belongs to another model");
  }

  private AffinePlan plan(Slot slot, int batch) {
    for (int i = 0; i < slot.batches.size(); i++) {
      if (slot.batches.get(i) == batch) {
        return slot.plans.get(i);
      }
    }
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException("the accumulator is closed");
    }
    AffinePlan plan = dense.plan(BatchPlan.affine(slot.layer.layer(), slot.in, batch));
    slot.plans.add(plan);
    slot.batches.add(batch);
    return plan;
  }

  /** What the native library chose for each planned layer. */
  List<String> implementations() {
    return slots.stream()
        .flatMap(slot -> slot.plans.stream())
        .map(AffinePlan::implementations)
        .toList();
  }

  /** Releases plans and gradients; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      slots.forEach(slot -> slot.plans.forEach(AffinePlan::close));
      arena.close();
    }
  }
}
