package io.nepenthe.nn;

import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.ParameterSpec.Role;
import io.nepenthe.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * What one node of a network computes: an immutable description, without weights. Images are
 * channels last.
 */
public sealed interface Layer {
  /**
   * The size of the output for inputs of these sizes.
   *
   * @throws IllegalArgumentException if the layer cannot take them
   */
  Extent output(List<Extent> inputs);

  /**
   * A layer with trainable parameters. Two nodes whose layers have the same name share them; their
   * descriptions must be equal.
   */
  sealed interface Parametric extends Layer {
    /** The name that the parameters' names begin with. */
    String name();

    /** The trainable tensors, in the order in which they lie in the flat parameters. */
    List<ParameterSpec> parameters();

    /** The tensors that are kept but not trained. */
    default List<ParameterSpec> buffers() {
      return List.of();
    }
  }

  /** The network's input: node 0, and no other. */
  record Input(Extent extent) implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      return extent;
    }
  }

  /**
   * y = x·Wᵀ + b; parameters {@code name.weight} of shape O·I and {@code name.bias}.
   *
   * @param inputs features in
   * @param outputs features out
   * @param bias whether b is there
   */
  record Linear(String name, long inputs, long outputs, boolean bias) implements Parametric {
    /** Checks name and sizes. */
    public Linear {
      Layers.name(name);
      Layers.positive("inputs", inputs);
      Layers.positive("outputs", outputs);
    }

    @Override
    public List<ParameterSpec> parameters() {
      return Layers.affine(name, Shape.of(outputs, inputs), bias);
    }

    @Override
    public Extent output(List<Extent> inputExtents) {
      Extent in = Layers.one(this, inputExtents);
      if (!in.isVector() || in.channels() != inputs) {
        throw new IllegalArgumentException(
            name + " takes vectors of " + inputs + " features, found " + in);
      }
      return Extent.vector(outputs);
    }
  }

  /**
   * Convolution (cross-correlation); parameters {@code name.weight} of shape O·KH·KW·(I/groups) and
   * {@code name.bias}.
   *
   * @param inputs channels in
   * @param outputs channels out
   * @param window kernel, stride, dilation, padding
   * @param groups divides both channel counts
   * @param bias whether a bias per channel is added
   */
  record Conv2d(String name, long inputs, long outputs, Window window, int groups, boolean bias)
      implements Parametric {
    /** Checks name and sizes. */
    public Conv2d {
      Layers.name(name);
      Layers.positive("inputs", inputs);
      Layers.positive("outputs", outputs);
      Layers.positive("groups", groups);
      if (inputs % groups != 0 || outputs % groups != 0) {
        throw new IllegalArgumentException(
            name + ": " + groups + " groups do not divide " + inputs + " → " + outputs);
      }
    }

    /** One group. */
    public Conv2d(String name, long inputs, long outputs, Window window, boolean bias) {
      this(name, inputs, outputs, window, 1, bias);
    }

    @Override
    public List<ParameterSpec> parameters() {
      Shape shape = Shape.of(outputs, window.kernelHeight(), window.kernelWidth(), inputs / groups);
      return Layers.affine(name, shape, bias);
    }

    @Override
    public Extent output(List<Extent> inputExtents) {
      Extent in = Layers.image(this, inputExtents);
      if (in.channels() != inputs) {
        throw new IllegalArgumentException(
            name + " takes images of " + inputs + " channels, found " + in);
      }
      return Layers.windows(window, in, outputs);
    }
  }

  /**
   * Batch normalisation of every channel over samples and positions; parameters {@code name.weight}
   * (γ, from 1) and {@code name.bias} (β, from 0), buffers {@code name.running_mean} and {@code
   * name.running_var}. Which statistics it uses is the execution's {@link Mode}.
   *
   * @param channels of the image or vector
   * @param epsilon added to the variance
   * @param momentum the weight of a batch in the running statistics, which keep the unbiased
   *     variance
   */
  record BatchNorm2d(String name, long channels, float epsilon, float momentum)
      implements Parametric {
    /** Checks name, size and options. */
    public BatchNorm2d {
      Layers.name(name);
      Layers.positive("channels", channels);
      if (!(epsilon >= 0 && epsilon < 1)) {
        throw new IllegalArgumentException("epsilon must be in [0, 1), found " + epsilon);
      }
      if (!(momentum >= 0 && momentum <= 1)) {
        throw new IllegalArgumentException("momentum must be in [0, 1], found " + momentum);
      }
    }

    /** ε = 10⁻⁵, momentum 0.1. */
    public BatchNorm2d(String name, long channels) {
      this(name, channels, 1e-5f, 0.1f);
    }

    @Override
    public List<ParameterSpec> parameters() {
      return List.of(
          new ParameterSpec(name + ".weight", Shape.of(channels), Role.SCALE),
          new ParameterSpec(name + ".bias", Shape.of(channels), Role.SHIFT));
    }

    @Override
    public List<ParameterSpec> buffers() {
      return List.of(
          new ParameterSpec(name + ".running_mean", Shape.of(channels), Role.RUNNING_MEAN),
          new ParameterSpec(name + ".running_var", Shape.of(channels), Role.RUNNING_VARIANCE));
    }

    @Override
    public Extent output(List<Extent> inputs) {
      Extent in = Layers.one(this, inputs);
      if (in.channels() != channels) {
        throw new IllegalArgumentException(name + " takes " + channels + " channels, found " + in);
      }
      return in;
    }
  }

  /** max(x, 0). */
  record Relu() implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      return Layers.one(this, inputs);
    }
  }

  /** x where positive, else α·(exp(x/α) − 1). */
  record Celu(float alpha) implements Layer {
    /** Checks α. */
    public Celu {
      if (!(alpha > 0 && alpha < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("alpha must be positive, found " + alpha);
      }
    }

    @Override
    public Extent output(List<Extent> inputs) {
      return Layers.one(this, inputs);
    }
  }

  /** The maximum of each window, none of which may lie in padding alone; padding never wins. */
  record MaxPool(Window window) implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      return Layers.pooled(this, window, Layers.image(this, inputs));
    }
  }

  /**
   * The mean of each window, none of which may lie in padding alone where padding does not count.
   *
   * @param paddingCounts whether padding counts as zeros, or is left out of the mean
   */
  record AveragePool(Window window, boolean paddingCounts) implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      Extent in = Layers.image(this, inputs);
      return paddingCounts
          ? Layers.windows(window, in, in.channels())
          : Layers.pooled(this, window, in);
    }
  }

  /** The mean over all positions, an image of 1 × 1. */
  record GlobalAveragePool() implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      return Extent.image(1, 1, Layers.image(this, inputs).channels());
    }
  }

  /**
   * An image with positions around it. A convolution whose padding is not zeros, for instance a
   * circular one, is this layer and a convolution without padding.
   */
  record Pad(Padding padding) implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      Extent in = Layers.image(this, inputs);
      return Extent.image(
          padding.outputHeight(in.height()), padding.outputWidth(in.width()), in.channels());
    }
  }

  /** The sum of two inputs of one size: a residual connection. */
  record Add() implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      if (inputs.size() != 2 || !inputs.get(0).equals(inputs.get(1))) {
        throw new IllegalArgumentException("Add takes two inputs of one size, found " + inputs);
      }
      return inputs.get(0);
    }
  }

  /**
   * An image as a vector, in the order height, width, channel. (Frameworks with channels first use
   * channel, height, width: weights that follow are permuted on the way in and out.)
   */
  record Flatten() implements Layer {
    @Override
    public Extent output(List<Extent> inputs) {
      return Extent.vector(Layers.one(this, inputs).elements());
    }
  }

  /** In training sets an element to 0 with this probability and scales the others up; else x. */
  record Dropout(double probability) implements Layer {
    /** Checks the probability. */
    public Dropout {
      if (!(probability >= 0 && probability < 1)) {
        throw new IllegalArgumentException("probability must be in [0, 1), found " + probability);
      }
    }

    @Override
    public Extent output(List<Extent> inputs) {
      return Layers.one(this, inputs);
    }
  }

  /** The parameter names of all layers, each once, in node order. */
  static List<ParameterSpec> specs(List<Parametric> layers, boolean buffers) {
    List<ParameterSpec> specs = new ArrayList<>();
    List<String> seen = new ArrayList<>();
    for (Parametric layer : layers) {
      if (!seen.contains(layer.name())) {
        seen.add(layer.name());
        specs.addAll(buffers ? layer.buffers() : layer.parameters());
      }
    }
    return List.copyOf(specs);
  }
}
