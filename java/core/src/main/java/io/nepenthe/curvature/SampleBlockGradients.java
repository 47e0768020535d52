package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The visitor that writes every sample's gradient of every block, summed over a layer's uses. */
final class SampleBlockGradients implements LayerVisitor, AutoCloseable {
  private final Backend backend;
  private final List<ParameterBlock> blocks;
  private final Map<String, Tensor> out;
  private final Ones ones = new Ones();
  private final Map<String, Integer> seen = new HashMap<>();
  private long first;

  /**
   * Writes to {@code out}: for each block [samples, O, columns], or [samples, 2, channels].
   *
   * @param out by block name
   */
  SampleBlockGradients(Backend backend, List<ParameterBlock> blocks, Map<String, Tensor> out) {
    this.backend = backend;
    this.blocks = blocks;
    this.out = out;
  }

  /** Where the next batch's first sample goes. */
  void first(long sample) {
    first = sample;
    seen.clear();
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    for (ParameterBlock block : blocks) {
      if (block.layer().equals(layer.layer().name())) {
        Tensor all = out.get(block.name());
        long n = input.shape().size(0);
        Tensor target = RotatedGradients.samples(all, first, n);
        if (seen.merge(block.name(), 1, Integer::sum) == 1) {
          write(block, input, outputGradient, target);
        } else {
          try (Arena scratch = Arena.ofConfined()) {
            Tensor more = Tensor.zeros(scratch, target.shape());
            write(block, input, outputGradient, more);
            backend.dense().add(target, more, target);
          }
        }
      }
    }
  }

  private void write(ParameterBlock block, Tensor input, Tensor outputGradient, Tensor target) {
    if (block.isDiagonal()) {
      normalisation(input, outputGradient, target);
      return;
    }
    Tensor gradient = ParameterBlock.image(outputGradient);
    backend
        .perSample()
        .sampleGradients(
            block.convolution(),
            ones.inputOf(block, input, gradient),
            gradient,
            block.appendsOne(),
            target);
  }

  /** Σₜ g·x̂ and Σₜ g of every sample. */
  static void normalisation(Tensor normalised, Tensor gradient, Tensor target) {
    if (!gradient.onHost() || !normalised.onHost()) {
      try (Arena scratch = Arena.ofConfined()) {
        Tensor values = Tensor.zeros(scratch, normalised.shape());
        values.copyFrom(normalised);
        Tensor gradients = Tensor.zeros(scratch, gradient.shape());
        gradients.copyFrom(gradient);
        normalisation(values, gradients, target);
      }
      return;
    }
    Shape shape = gradient.shape();
    long channels = shape.size(shape.rank() - 1);
    long each = shape.elements() / shape.size(0);
    double[] sums = new double[Math.toIntExact(2 * channels)];
    for (long n = 0; n < shape.size(0); n++) {
      Arrays.fill(sums, 0);
      for (long i = 0; i < each; i++) {
        int c = (int) (i % channels);
        double g = gradient.get(n * each + i);
        sums[c] += g * normalised.get(n * each + i);
        sums[c + (int) channels] += g;
      }
      for (int c = 0; c < sums.length; c++) {
        target.set(n * sums.length + c, (float) sums[c]);
      }
    }
  }

  @Override
  public void close() {
    ones.close();
  }
}
