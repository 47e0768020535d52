package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Launches of cuda/loss.cu; labels go to the device, losses and hits come back. */
final class CudaLosses {
  private static final int LANES = 32;

  private final CudaContext context;

  CudaLosses(CudaContext context) {
    this.context = context;
  }

  void crossEntropy(Tensor output, int[] labels, double[] losses, boolean[] hits, Tensor gradient) {
    Losses.check(output, labels, losses, gradient);
    Losses.checkHits(output, hits);
    run("cross_entropy", output, labels, new double[0], losses, hits, gradient);
  }

  void squaredError(
      Tensor output,
      int[] labels,
      double[] targets,
      double[] losses,
      boolean[] hits,
      Tensor gradient) {
    Losses.checkSquared(output, labels, targets, losses, gradient);
    Losses.checkHits(output, hits);
    run("squared", output, labels, targets, losses, hits, gradient);
  }

  private void run(
      String name,
      Tensor output,
      int[] labels,
      double[] targets,
      double[] losses,
      boolean[] hits,
      Tensor gradient) {
    int samples = Math.toIntExact(output.shape().size(0));
    if (output.elements() == 0) {
      return;
    }
    String kernel = "nep_loss_" + name;
    boolean squared = name.equals("squared");
    try (var op =
            context.begin(
                kernel, output.shape(), 2 * output.shape().bytes(), 20 * output.elements());
        Arena arena = Arena.ofConfined()) {
      MemorySegment classes = arena.allocate((long) samples * Integer.BYTES, Integer.BYTES);
      MemorySegment.copy(labels, 0, classes, ValueLayout.JAVA_INT, 0, samples);
      long found = op.scratch((long) samples * (Double.BYTES + Integer.BYTES));
      boolean inPlace = gradient.address() == output.address();
      long target = inPlace ? op.update(gradient) : op.write(gradient);
      Object[] arguments = new Object[squared ? 8 : 7];
      arguments[0] = inPlace ? target : op.read(output);
      arguments[1] = op.upload(classes);
      arguments[2] = found;
      arguments[3] = found + (long) samples * Double.BYTES;
      arguments[4] = target;
      arguments[5] = (long) samples;
      arguments[6] = output.shape().size(1);
      if (squared) {
        arguments[7] = targets.length == 0 ? 0L : numbers(op, arena, targets);
      }
      op.launch(kernel, context.blocks(kernel, (long) samples * LANES, 1), arguments);
      bring(arena, found, samples, losses, hits);
      op.finish();
    }
  }

  private static long numbers(CudaContext.Operation op, Arena arena, double[] targets) {
    MemorySegment all = arena.allocate((long) targets.length * Double.BYTES, Double.BYTES);
    MemorySegment.copy(targets, 0, all, ValueLayout.JAVA_DOUBLE, 0, targets.length);
    return op.upload(all);
  }

  /** One copy from the device: that of a batch's losses and hits. */
  private void bring(Arena arena, long found, int samples, double[] losses, boolean[] hits) {
    long each = Double.BYTES + Integer.BYTES;
    MemorySegment host = arena.allocate(samples * each, Double.BYTES);
    context.driver().download(host, found);
    MemorySegment.copy(host, ValueLayout.JAVA_DOUBLE, 0, losses, 0, samples);
    for (int n = 0; n < samples; n++) {
      long at = (long) samples * Double.BYTES + (long) n * Integer.BYTES;
      hits[n] = host.get(ValueLayout.JAVA_INT, at) != 0;
    }
  }
}
