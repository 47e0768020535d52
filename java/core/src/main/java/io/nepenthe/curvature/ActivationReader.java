package io.nepenthe.curvature;

import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * Shows kept activations as a backward pass would, from copies in memory: the kernels that take
 * them would end the process if a mapped file were cut short or its disk failed under them.
 */
final class ActivationReader implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final ActivationLayout layout;
  private final int batchSize;
  private final Map<String, Tensor> inputs = new HashMap<>();
  private final Tensor gradient;

  /** What batches are read of. */
  record Source(SafetensorsFile file, long firstSample, long samples) {}

  /** For batches of at most so many samples. */
  ActivationReader(ActivationLayout layout, int batchSize) {
    this.layout = layout;
    this.batchSize = batchSize;
    long largest = 0;
    for (ActivationLayout.Slot slot : layout.slots()) {
      inputs.put(slot.input(), Tensor.zeros(arena, slot.inputs().elements() * batchSize));
      largest = Math.max(largest, slot.outputs().elements());
    }
    gradient = Tensor.zeros(arena, largest * batchSize);
  }

  /**
   * Shows the samples from a position up to another.
   *
   * @param passes backward passes a batch
   */
  void run(
      Source source, long from, long to, int passes, Progress progress, GradientPasses.Use use) {
    for (long at = from; at < to; at += batchSize) {
      int count = (int) Math.min(batchSize, to - at);
      FisherVectors.Listener listener = use.of(at, count);
      for (int pass = 0; pass < passes; pass++) {
        listener.pass(pass);
        for (ActivationLayout.Slot slot : layout.slots()) {
          long row = at - source.firstSample;
          Tensor input =
              inputs.get(slot.input()).slice(0, ActivationLayout.batch(slot.inputs(), count));
          if (pass == 0) {
            read(source.file, slot.input(), slot.inputs(), row, input);
          }
          Tensor output = gradient.slice(0, ActivationLayout.batch(slot.outputs(), count));
          read(source.file, slot.gradients().get(pass), slot.outputs(), row, output);
          listener.visit(slot.layer(), input, output);
        }
        listener.passed();
      }
      progress.report(at + count, source.samples);
    }
  }

  private static void read(SafetensorsFile file, String name, Shape one, long row, Tensor into) {
    file.read(name, row * one.elements(), into);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
