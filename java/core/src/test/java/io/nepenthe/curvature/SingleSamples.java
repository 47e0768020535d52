package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;

/** The reference: importances by brute force, one sample and one gradient at a time. */
final class SingleSamples {
  private SingleSamples() {}

  /** What a cotangent for one sample's logits is. */
  @FunctionalInterface
  interface Cotangent {
    double of(double[] p, int label, int output);
  }

  /** One sample after the other: its gradient through the training path, squared in float64. */
  static double[] meanSquares(
      Model model, Dataset data, Normalisation normalisation, Cotangent cotangent) {
    double[] sum = new double[Math.toIntExact(model.parameters().count())];
    try (Backend backend = Device.cpu(1).open();
        Execution execution = new Execution(model, backend, 1, Mode.FROZEN);
        GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
      for (long n = 0; n < data.size(); n++) {
        data.pixels(n, execution.input(1).segment(), 0);
        normalisation.apply(execution.input(1).segment(), 0, data.image().floats());
        double[] p = softmax(execution.forward(1));
        Tensor out = execution.outputGradient();
        for (int c = 0; c < p.length; c++) {
          out.set(c, (float) cotangent.of(p, data.label(n), c));
        }
        gradient.clear();
        execution.backward(out, gradient);
        for (int j = 0; j < sum.length; j++) {
          double g = gradient.gradient().flat().get(j);
          sum[j] += g * g / data.size();
        }
      }
    }
    return sum;
  }

  static double[] softmax(Tensor logits) {
    double[] p = new double[Math.toIntExact(logits.elements())];
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      p[c] = Math.exp(logits.get(c));
      sum += p[c];
    }
    for (int c = 0; c < p.length; c++) {
      p[c] /= sum;
    }
    return p;
  }

  /** Relative to the largest value: what cancellation leaves of a small one is rounding. */
  static void assertClose(double[] expected, double[] actual, double tolerance) {
    double largest = 0;
    for (double value : expected) {
      largest = Math.max(largest, value);
    }
    assertTrue(largest > 0, "the reference is zero");
    for (int j = 0; j < expected.length; j++) {
      double error = Math.abs(expected[j] - actual[j]);
      assertTrue(
          error <= tolerance * Math.max(expected[j], 1e-3 * largest),
          "value " + j + ": expected " + expected[j] + ", got " + actual[j]);
    }
  }
}
