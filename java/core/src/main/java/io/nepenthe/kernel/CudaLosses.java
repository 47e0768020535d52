package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Launches of cuda/loss.cu; labels go to the device, losses and hits, where asked for, come back.
 */
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
      long found = op.scratch((long) samples * (Double.BYTES + Integer.BYTES));
      boolean inPlace = gradient.address() == output.address();
      long target = inPlace ? op.update(gradient) : op.write(gradient);
      Object[] arguments = new Object[squared ? 8 : 7];
      arguments[0] = inPlace ? target : op.read(output);
      arguments[1] = labels(op, arena, labels, samples);
      arguments[2] = found;
      arguments[3] = found + (long) samples * Double.BYTES;
      arguments[4] = target;
      arguments[5] = (long) samples;
      arguments[6] = output.shape().size(1);
      if (squared) {
        arguments[7] = targets.length == 0 ? 0L : numbers(op, arena, targets, targets.length);
      }
      op.launch(kernel, context.blocks(kernel, (long) samples * LANES, 1), arguments);
      bring(arena, found, samples, losses, hits);
      op.finish();
    }
  }

  void vectors(Tensor output, LossVectors vectors, Tensor gradient) {
    Losses.checkVectors(output, gradient);
    if (output.elements() == 0) {
      return;
    }
    int samples = Math.toIntExact(output.shape().size(0));
    long classes = output.shape().size(1);
    try (var op =
            context.begin(
                "lossVectors", output.shape(), 2 * output.shape().bytes(), 20 * output.elements());
        Arena arena = Arena.ofConfined()) {
      if (vectors.form() == LossVectors.Form.DRAWN) {
        Tensor drawn = Tensor.zeros(arena, output.shape());
        vectors.write(drawn, drawn);
        gradient.copyFrom(drawn);
        return;
      }
      double[] targets = vectors.targets();
      long labels = 0;
      long draws = 0;
      switch (vectors.label()) {
        case OWN -> {
          long most = targets.length > 0 ? targets.length : classes;
          if (vectors.form() != LossVectors.Form.OUTPUT) {
            Losses.checkLabels(vectors.labels(), samples, most, " labels");
            labels = labels(op, arena, vectors.labels(), samples);
          }
        }
        case SAMPLED -> draws = numbers(op, arena, vectors.draws(samples), samples);
        case AXIS -> {}
      }
      long target = op.write(gradient);
      op.launch(
          "nep_loss_vectors",
          context.blocks("nep_loss_vectors", (long) samples * LANES, 1),
          op.read(output),
          labels,
          draws,
          targets.length == 0 ? 0L : numbers(op, arena, targets, targets.length),
          target,
          (long) samples,
          classes,
          vectors.form().ordinal(),
          vectors.axis(),
          vectors.unit() ? 1 : 0,
          vectors.rooted() ? 1 : 0,
          vectors.weight(),
          vectors.curvature());
      op.finish();
    }
  }

  static long labels(CudaContext.Operation op, Arena arena, int[] labels, int samples) {
    MemorySegment all = arena.allocate((long) samples * Integer.BYTES, Integer.BYTES);
    MemorySegment.copy(labels, 0, all, ValueLayout.JAVA_INT, 0, samples);
    return op.upload(all);
  }

  static long numbers(CudaContext.Operation op, Arena arena, double[] values, int count) {
    MemorySegment all = arena.allocate((long) count * Double.BYTES, Double.BYTES);
    MemorySegment.copy(values, 0, all, ValueLayout.JAVA_DOUBLE, 0, count);
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
