package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Launches of cuda/loss.cu; labels go to the device, losses and hits, where asked for, come back.
 */
final class CudaLosses implements Objectives {
  private static final int LANES = 32;

  private static final double[] ONE_HOT = {};

  /** What becomes of the losses, and whether outputs hit their labels. */
  private interface Sink {
    /** What gradients are multiplied by. */
    float scale();

    /** Whether anybody asks for hits. */
    boolean hits();

    /** Takes the losses, 8 bytes each, and behind them the hits, 4 bytes each. */
    void take(CudaContext.Operation op, long losses, int samples);
  }

  private final CudaContext context;

  CudaLosses(CudaContext context) {
    this.context = context;
  }

  void crossEntropy(Tensor output, int[] labels, double[] losses, boolean[] hits, Tensor gradient) {
    Losses.check(output, labels, losses, gradient);
    Losses.checkHits(output, hits);
    run("cross_entropy", output, labels, ONE_HOT, new ToHost(losses, hits), gradient);
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
    run("squared", output, labels, targets, new ToHost(losses, hits), gradient);
  }

  @Override
  public void crossEntropy(Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    Losses.check(output, labels, gradient);
    run("cross_entropy", output, labels, ONE_HOT, new ToSum(term), gradient);
  }

  @Override
  public void squaredError(
      Tensor output, int[] labels, double[] targets, LossTerm term, Tensor gradient) {
    Losses.checkSquared(output, labels, targets, gradient);
    run("squared", output, labels, targets, new ToSum(term), gradient);
  }

  @Override
  public void teacher(
      Tensor output,
      Tensor answers,
      int[] rows,
      TeacherDistance distance,
      LossTerm term,
      Tensor gradient) {
    distance.check(output, answers, rows, gradient);
    if (output.elements() == 0) {
      return;
    }
    int samples = Math.toIntExact(output.shape().size(0));
    try (var op =
            context.begin(
                "teacher", output.shape(), 4 * output.shape().bytes(), 80 * output.elements());
        Arena arena = Arena.ofConfined()) {
      long losses = op.scratch((long) samples * Double.BYTES);
      op.launch(
          "nep_loss_teacher",
          context.blocks("nep_loss_teacher", (long) samples * LANES, 1),
          op.read(output),
          op.read(answers),
          labels(op, arena, rows, samples),
          losses,
          op.update(gradient),
          (long) samples,
          output.shape().size(1),
          distance.numbers() ? 1 : 0,
          distance.temperature(),
          distance.weight(),
          distance.kept(),
          term.scale());
      new ToSum(term).take(op, losses, samples);
      op.finish();
    }
  }

  private void run(
      String name, Tensor output, int[] labels, double[] targets, Sink sink, Tensor gradient) {
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
      long losses = op.scratch((long) samples * (Double.BYTES + Integer.BYTES));
      boolean inPlace = gradient.address() == output.address();
      long target = inPlace ? op.update(gradient) : op.write(gradient);
      Object[] arguments = new Object[squared ? 9 : 8];
      arguments[0] = inPlace ? target : op.read(output);
      arguments[1] = labels(op, arena, labels, samples);
      arguments[2] = losses;
      arguments[3] = sink.hits() ? losses + (long) samples * Double.BYTES : 0L;
      arguments[4] = target;
      arguments[5] = (long) samples;
      arguments[6] = output.shape().size(1);
      arguments[7] = sink.scale();
      if (squared) {
        arguments[8] = targets.length == 0 ? 0L : numbers(op, arena, targets, targets.length);
      }
      op.launch(kernel, context.blocks(kernel, (long) samples * LANES, 1), arguments);
      sink.take(op, losses, samples);
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

  /** One copy from the device, that of a batch's losses and hits. */
  private final class ToHost implements Sink {
    private final double[] losses;
    private final boolean[] hits;

    ToHost(double[] losses, boolean[] hits) {
      this.losses = losses;
      this.hits = hits;
    }

    @Override
    public float scale() {
      return 1;
    }

    @Override
    public boolean hits() {
      return true;
    }

    @Override
    public void take(CudaContext.Operation op, long found, int samples) {
      try (Arena arena = Arena.ofConfined()) {
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
  }

  /** No copy. */
  private record ToSum(LossTerm term) implements Sink {
    @Override
    public float scale() {
      return term.scale();
    }

    @Override
    public boolean hits() {
      return false;
    }

    @Override
    public void take(CudaContext.Operation op, long losses, int samples) {
      long total = op.update(term.sum().bits());
      op.launch("nep_loss_total", 1, losses, (long) samples, term.share(), total);
    }
  }
}
