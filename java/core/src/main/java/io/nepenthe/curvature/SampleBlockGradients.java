package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The visitor that writes every sample's gradient of every block, summed over a layer's uses. */
final class SampleBlockGradients implements LayerVisitor, AutoCloseable {
  private final List<ParameterBlock> blocks;
  private final Map<String, Tensor> out;
  private final GradientWriter writer;
  private final Map<String, Integer> seen = new HashMap<>();
  private long first;

  /**
   * Writes to {@code out}: for each block [samples, O, columns], or [samples, 2, channels].
   *
   * @param out by block name
   */
  SampleBlockGradients(Backend backend, List<ParameterBlock> blocks, Map<String, Tensor> out) {
    this.blocks = blocks;
    this.out = out;
    this.writer = new GradientWriter(backend);
  }

  /** Where the next batch's first sample goes. */
  void first(long sample) {
    first = sample;
    seen.clear();
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    for (ParameterBlock block : blocks) {
      if (block.isOf(layer)) {
        long n = input.shape().size(0);
        Tensor target = RotatedGradients.samples(out.get(block.name()), first, n);
        boolean more = seen.merge(block.name(), 1, Integer::sum) > 1;
        writer.write(block, input, outputGradient, more, target);
      }
    }
  }

  @Override
  public void close() {
    writer.close();
  }
}
