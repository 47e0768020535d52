package io.nepenthe.curvature;

import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parameters whose curvature is approximated together, as z = W̄·ā on rows of ā: a layer's weights
 * with its bias as one more column, either of the two alone, or, for a normalisation, its scale and
 * its shift, of which only the diagonal is kept.
 *
 * @param name the layer's, with a suffix where it has several blocks
 * @param layer the layer's name
 * @param part which of the layer's parameters
 * @param convolution how rows of ā lie in the layer's input; a point for a linear layer
 * @param outputs O, over all groups
 * @param columns the features of ā for each group, the bias's included
 * @param weight the name of the weights, or of the scale
 * @param bias the name of the bias, or of the shift; empty where there is none
 */
public record ParameterBlock(
    String name,
    String layer,
    Part part,
    Convolution convolution,
    long outputs,
    long columns,
    String weight,
    String bias) {
  private static final Convolution POINT = Window.square(1).convolution(1);

  /** Which parameters of a layer. */
  public enum Part {
    /** Weights, and the bias as their last column. */
    JOINT,
    /** Weights alone. */
    WEIGHT,
    /** The bias alone: its input is the constant 1. */
    BIAS,
    /** A normalisation's scale and shift. */
    NORMALISATION
  }

  /** The blocks of a model, tied layers once, in node order. */
  static List<ParameterBlock> of(Model model, boolean jointBias) {
    Map<String, List<ParameterBlock>> blocks = new LinkedHashMap<>();
    for (ParametricLayer layer : model.layers()) {
      blocks.computeIfAbsent(layer.layer().name(), name -> of(layer, jointBias));
    }
    return blocks.values().stream().flatMap(List::stream).toList();
  }

  /** Those of one layer. */
  static List<ParameterBlock> of(ParametricLayer bound, boolean jointBias) {
    String name = bound.layer().name();
    Parameters.Parameter weight = bound.weight();
    Shape shape = weight.spec().shape();
    String weightName = weight.spec().name();
    String bias = bound.bias().map(parameter -> parameter.spec().name()).orElse("");
    long outputs = shape.size(0);
    long inputs = weight.value().elements() / outputs;
    if (bound.layer() instanceof Layer.BatchNorm2d) {
      return List.of(
          new ParameterBlock(name, name, Part.NORMALISATION, POINT, outputs, 1, weightName, bias));
    }
    Convolution convolution =
        bound.layer() instanceof Layer.Conv2d layer
            ? layer.window().convolution(layer.groups())
            : POINT;
    if (jointBias && !bias.isEmpty()) {
      return List.of(
          new ParameterBlock(
              name, name, Part.JOINT, convolution, outputs, inputs + 1, weightName, bias));
    }
    List<ParameterBlock> blocks = new ArrayList<>();
    blocks.add(
        new ParameterBlock(name, name, Part.WEIGHT, convolution, outputs, inputs, weightName, ""));
    if (!bias.isEmpty()) {
      Convolution ones = Window.square(1).convolution(convolution.groups());
      blocks.add(new ParameterBlock(bias, name, Part.BIAS, ones, outputs, 1, weightName, bias));
    }
    return blocks;
  }

  /** T, the positions of a sample that share these parameters, over all uses of the layer. */
  long positions(Model model) {
    return model.layers().stream()
        .filter(this::isOf)
        .map(bound -> model.network().extent(bound.node()))
        .mapToLong(extent -> extent.elements() / outputs)
        .sum();
  }

  /** Whether it belongs to a layer. */
  boolean isOf(ParametricLayer bound) {
    return bound.layer().name().equals(layer);
  }

  /** Whether it is a scale and a shift, with no factors. */
  public boolean isDiagonal() {
    return part == Part.NORMALISATION;
  }

  /** The parameter that names the block in files: the weights, or a bias alone. */
  String parameter() {
    return part == Part.BIAS ? bias : weight;
  }

  /** γ. */
  public int groups() {
    return convolution.groups();
  }

  /** O/γ. */
  public long groupOutputs() {
    return outputs / groups();
  }

  /** Whether ā ends with the constant 1. */
  boolean appendsOne() {
    return part == Part.JOINT;
  }

  /** The number of parameters. */
  public long size() {
    return isDiagonal() ? 2 * outputs : outputs * columns;
  }

  /** The input as an image: a vector is one of 1 × 1. */
  static Tensor image(Tensor tensor) {
    Shape shape = tensor.shape();
    return shape.rank() == 4
        ? tensor
        : tensor.reshape(Shape.of(shape.size(0), 1, 1, shape.size(1)));
  }

  /** Copies this block's parameters, in [O, columns], or scale then shift. */
  void gather(Parameters from, Tensor to) {
    each(from, (parameter, at, index) -> to.set(at, parameter.get(index)));
  }

  /** The reverse of {@link #gather}. */
  void scatter(Tensor from, Parameters to) {
    each(to, (parameter, at, index) -> parameter.set(index, from.get(at)));
  }

  private interface Copy {
    void one(Tensor parameter, long at, long index);
  }

  private void each(Parameters parameters, Copy copy) {
    if (isDiagonal()) {
      for (long c = 0; c < outputs; c++) {
        copy.one(parameters.get(weight).value(), c, c);
        copy.one(parameters.get(bias).value(), outputs + c, c);
      }
      return;
    }
    long inputs = part == Part.BIAS ? 0 : part == Part.JOINT ? columns - 1 : columns;
    for (long o = 0; o < outputs; o++) {
      for (long j = 0; j < inputs; j++) {
        copy.one(parameters.get(weight).value(), o * columns + j, o * inputs + j);
      }
      if (!bias.isEmpty()) {
        copy.one(parameters.get(bias).value(), o * columns + inputs, o);
      }
    }
  }
}
