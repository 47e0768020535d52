package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;

/** What the operations of a network's passes check, on every device. */
final class DenseChecks {
  private DenseChecks() {}

  static void elementwise(String name, Tensor output, String inputName, Tensor input) {
    Checks.shape(name, output, input.shape());
    Checks.sameOrDisjoint(name, output, inputName, input);
  }

  static void gradient(Tensor saved, Tensor dy, Tensor dx) {
    elementwise("dx", dx, "dy", dy);
    Checks.shape("dx", dx, saved.shape());
    Checks.disjoint("dx", dx, "the saved activation", saved);
  }

  static void sum(Tensor a, Tensor b, Tensor out) {
    elementwise("out", out, "a", a);
    Checks.shape("b", b, a.shape());
    Checks.disjoint("out", out, "b", b);
  }

  /** Of rows of values, each as many as there are weights; returns how many rows. */
  static long rows(Tensor values, Tensor weights) {
    long each = weights.elements();
    if (each == 0 || values.elements() % each != 0) {
      throw new IllegalArgumentException(
          "values must be rows of " + each + " weights, found shape " + values.shape());
    }
    Checks.disjoint("values", values, "weights", weights);
    return values.elements() / each;
  }

  static void dropout(Tensor x, Tensor y, double probability) {
    elementwise("y", y, "x", x);
    if (!(probability >= 0 && probability < 1)) {
      throw new IllegalArgumentException("probability must be in [0, 1), found " + probability);
    }
  }

  /** The channels of what is normalised. */
  static long channels(Tensor x) {
    int rank = x.shape().rank();
    if (rank < 2 || x.elements() == 0) {
      throw new IllegalArgumentException(
          "batch normalisation needs samples and channels, found shape " + x.shape());
    }
    return x.shape().size(rank - 1);
  }

  static long statistics(Tensor x, Tensor mean, Tensor variance) {
    long channels = channels(x);
    perChannel("mean", mean, channels);
    perChannel("variance", variance, channels);
    Checks.disjoint("mean", mean, "x", x);
    Checks.disjoint("variance", variance, "x", x);
    Checks.disjoint("variance", variance, "mean", mean);
    return channels;
  }

  /** Of a normalisation; returns whether the normalised values are kept. */
  static boolean normalisation(
      Tensor x,
      Tensor mean,
      Tensor variance,
      Tensor scale,
      Tensor shift,
      float epsilon,
      Tensor normalised,
      Tensor y) {
    long channels = channels(x);
    parameters(y, channels, mean, variance, scale, shift);
    Checks.finiteNotNegative("epsilon", epsilon);
    boolean keep = normalised.elements() > 0;
    if (keep) {
      elementwise("normalised", normalised, "x", x);
      parameters(normalised, channels, mean, variance, scale, shift);
    }
    if (keep && y.elements() > 0) {
      Checks.shape("y", y, x.shape());
      Checks.disjoint("y", y, "x", x);
      Checks.disjoint("y", y, "normalised", normalised);
    } else if (!keep) {
      elementwise("y", y, "x", x);
    }
    return keep;
  }

  /** Of a normalisation with a residual and ReLU; returns the channels. */
  static long normalisedRelu(FrozenNormalisation norm, Tensor x, Tensor residual, Tensor y) {
    long channels = channels(x);
    elementwise("y", y, "x", x);
    if (residual.elements() > 0) {
      elementwise("y", y, "residual", residual);
    }
    parameters(norm, y, channels);
    return channels;
  }

  /** Of its gradient. */
  static long normalisedReluGradient(
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Tensor residualGradient,
      Tensor scaleGradients,
      Tensor shiftGradients) {
    long channels = channels(x);
    gradient(x, dy, dx);
    parameters(norm, dx, channels);
    if (y.elements() > 0) {
      gradient(y, dy, dx);
    }
    if (residualGradient.elements() > 0) {
      if (y.elements() == 0) {
        throw new IllegalArgumentException("a residual's gradient needs the output");
      }
      gradient(y, dy, residualGradient);
      Checks.disjoint("residualGradient", residualGradient, "x", x);
      Checks.disjoint("residualGradient", residualGradient, "dx", dx);
      parameters(norm, residualGradient, channels);
    }
    sampleGradients("scaleGradients", scaleGradients, norm, x, y, dy, dx, residualGradient);
    sampleGradients("shiftGradients", shiftGradients, norm, x, y, dy, dx, residualGradient);
    Checks.disjoint("scaleGradients", scaleGradients, "shiftGradients", shiftGradients);
    return channels;
  }

  /** Of a normalisation with a normalised residual and ReLU; returns the channels. */
  static long normalisedReluPair(
      FrozenNormalisation norm,
      Tensor x,
      FrozenNormalisation ofResidual,
      Tensor residual,
      Tensor y) {
    long channels = normalisedRelu(norm, x, residual, y);
    Checks.shape("residual", residual, x.shape());
    parameters(ofResidual, y, channels);
    return channels;
  }

  /** Of its gradient. */
  static long normalisedReluPairGradient(
      NormalisedInput first, NormalisedInput second, Tensor y, Tensor dy, Tensor shiftGradients) {
    long channels = channels(y);
    gradient(first, second, y, dy, shiftGradients);
    gradient(second, first, y, dy, shiftGradients);
    sampleGradients("shiftGradients", shiftGradients, first, second, y, dy);
    return channels;
  }

  /** Of one input of a pair. */
  private static void gradient(
      NormalisedInput one, NormalisedInput other, Tensor y, Tensor dy, Tensor shiftGradients) {
    Checks.shape("x", one.x(), y.shape());
    gradient(y, dy, one.dx());
    gradient(one.x(), dy, one.dx());
    Checks.disjoint("dx", one.dx(), "the other input", other.x());
    Checks.disjoint("dx", one.dx(), "the other's gradient", other.dx());
    parameters(one.norm(), one.dx(), channels(y));
    parameters(other.norm(), one.dx(), channels(y));
    sampleGradients("scaleGradients", one.scaleGradients(), one, other, y, dy);
    Checks.disjoint("scaleGradients", one.scaleGradients(), "the other's", other.scaleGradients());
    Checks.disjoint("scaleGradients", one.scaleGradients(), "shiftGradients", shiftGradients);
  }

  private static void sampleGradients(
      String name, Tensor sums, NormalisedInput one, NormalisedInput other, Tensor y, Tensor dy) {
    sampleGradients(name, sums, one.norm(), one.x(), y, dy, one.dx(), other.dx());
    Checks.disjoint(name, sums, "the other input", other.x());
    parameters(other.norm(), sums, channels(y));
  }

  private static void sampleGradients(
      String name,
      Tensor sums,
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Tensor dx,
      Tensor residualGradient) {
    long channels = channels(x);
    Checks.shape(name, sums, x.shape().size(0), channels);
    Checks.disjoint(name, sums, "x", x);
    Checks.disjoint(name, sums, "y", y);
    Checks.disjoint(name, sums, "dy", dy);
    Checks.disjoint(name, sums, "dx", dx);
    Checks.disjoint(name, sums, "residualGradient", residualGradient);
    parameters(norm, sums, channels);
  }

  private static void parameters(FrozenNormalisation norm, Tensor output, long channels) {
    parameters(output, channels, norm.mean(), norm.variance(), norm.scale(), norm.shift());
    Checks.finiteNotNegative("epsilon", norm.epsilon());
  }

  static long sums(Tensor normalised, Tensor dy, Tensor dScale, Tensor dShift) {
    long channels = channels(normalised);
    Checks.shape("dy", dy, normalised.shape());
    for (Tensor sum : new Tensor[] {dScale, dShift}) {
      perChannel("a sum", sum, channels);
      Checks.disjoint("a sum", sum, "normalised", normalised);
      Checks.disjoint("a sum", sum, "dy", dy);
    }
    Checks.disjoint("dScale", dScale, "dShift", dShift);
    return channels;
  }

  static long normalisationGradient(
      Tensor normalised,
      Tensor dy,
      Tensor variance,
      Tensor scale,
      float epsilon,
      Tensor dScale,
      Tensor dShift,
      Tensor dx) {
    long channels = channels(normalised);
    gradient(normalised, dy, dx);
    parameters(dx, channels, variance, scale, dScale, dShift);
    Checks.finiteNotNegative("epsilon", epsilon);
    return channels;
  }

  static void average(Tensor running, Tensor value) {
    Checks.shape("value", value, running.shape());
    Checks.disjoint("running", running, "value", value);
  }

  /** Of a pooling from x to y. */
  static void pooling(Shape x, Shape y, Window w) {
    if (x.rank() != 4 || y.rank() != 4 || x.elements() == 0) {
      throw new IllegalArgumentException("pooling needs N·H·W·C images, found " + x + " → " + y);
    }
    long height = w.outputHeight(x.size(1));
    long width = w.outputWidth(x.size(2));
    if (y.size(0) != x.size(0)
        || y.size(1) != height
        || y.size(2) != width
        || y.size(3) != x.size(3)) {
      throw new IllegalArgumentException(
          "pooling " + x + " gives " + height + "×" + width + " positions, found " + y);
    }
  }

  /** Of a padding from x to y. */
  static void padding(Shape x, Shape y, Padding p) {
    if (x.rank() != 4 || x.elements() == 0) {
      throw new IllegalArgumentException("padding needs N·H·W·C images, found " + x);
    }
    Shape padded =
        Shape.of(x.size(0), p.outputHeight(x.size(1)), p.outputWidth(x.size(2)), x.size(3));
    if (!y.equals(padded)) {
      throw new IllegalArgumentException("padding " + x + " gives " + padded + ", found " + y);
    }
  }

  static void maxPoolGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window) {
    pooling(x.shape(), y.shape(), window);
    Checks.shape("dy", dy, y.shape());
    Checks.shape("dx", dx, x.shape());
    Checks.disjoint("dx", dx, "x", x);
    Checks.disjoint("dx", dx, "y", y);
    Checks.disjoint("dx", dx, "dy", dy);
  }

  /** The shapes of a plan's tensors, made once: a step allocates nothing. */
  record Shapes(Shape input, Shape output, Shape weights, Shape biases) {
    static Shapes of(Affine sizes) {
      return new Shapes(sizes.input(), sizes.output(), sizes.weights(), sizes.biases());
    }
  }

  /** Of the three passes of a plan. */
  static void forward(Shapes sizes, Tensor x, Tensor weights, Tensor bias, Tensor y) {
    product(x, sizes.input(), "x", weights, sizes.weights(), "weights", y, sizes.output(), "y");
    Checks.shape("bias", bias, sizes.biases());
    Checks.disjoint("y", y, "bias", bias);
  }

  static void inputGradient(Shapes sizes, Tensor dy, Tensor weights, Tensor dx) {
    product(dy, sizes.output(), "dy", weights, sizes.weights(), "weights", dx, sizes.input(), "dx");
  }

  static void parameterGradient(Shapes sizes, Tensor x, Tensor dy, Tensor dWeights, Tensor dBias) {
    product(x, sizes.input(), "x", dy, sizes.output(), "dy", dWeights, sizes.weights(), "dWeights");
    Checks.shape("dBias", dBias, sizes.biases());
    Checks.disjoint("dBias", dBias, "x", x);
    Checks.disjoint("dBias", dBias, "dy", dy);
    Checks.disjoint("dBias", dBias, "dWeights", dWeights);
  }

  private static void product(
      Tensor first,
      Shape firstShape,
      String firstName,
      Tensor second,
      Shape secondShape,
      String secondName,
      Tensor result,
      Shape resultShape,
      String resultName) {
    Checks.shape(firstName, first, firstShape);
    Checks.shape(secondName, second, secondShape);
    Checks.shape(resultName, result, resultShape);
    Checks.disjoint(resultName, result, firstName, first);
    Checks.disjoint(resultName, result, secondName, second);
  }

  private static void perChannel(String name, Tensor tensor, long channels) {
    if (tensor.shape().rank() != 1 || tensor.elements() != channels) {
      throw new IllegalArgumentException(
          name + " must have shape [" + channels + "], found " + tensor.shape());
    }
  }

  private static void parameters(
      Tensor output, long channels, Tensor first, Tensor second, Tensor third, Tensor fourth) {
    parameter(output, channels, first);
    parameter(output, channels, second);
    parameter(output, channels, third);
    parameter(output, channels, fourth);
  }

  private static void parameter(Tensor output, long channels, Tensor parameter) {
    perChannel("a parameter of the normalisation", parameter, channels);
    Checks.disjoint("the output", output, "a parameter of the normalisation", parameter);
  }
}
