package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Launches of cuda/loss.cu; labels go to the device, and nothing comes back. */
final class CudaLosses implements Objectives {
  private static final int LANES = 32;

  private static final double[] ONE_HOT = {};

  private static final float[] ALIKE = {};

  /** Where losses and hits go, and what becomes of them. */
  private interface Sink {
    /** What gradients are multiplied by. */
    float scale();

    /** Where the losses go, 8 bytes each. */
    long losses(CudaContext.Operation op, int samples);

    /** Where the hits go, 4 bytes each; 0 if nobody asks for them. */
    long hits(CudaContext.Operation op);

    /** Takes the losses and hits that were written. */
    void take(CudaContext.Operation op, long losses, int samples);
  }

  private final CudaContext context;

  CudaLosses(CudaContext context) {
    this.context = context;
  }

  @Override
  public void crossEntropy(Tensor output, int[] labels, LossTerm term, Tensor gradient) {
    Losses.check(output, labels, gradient);
    run("cross_entropy", output, labels, ONE_HOT, ALIKE, new ToSum(term), gradient);
  }

  @Override
  public void crossEntropy(
      Tensor output, int[] labels, float[] weights, LossTerm term, Tensor gradient) {
    Losses.checkWeighted(output, labels, weights, gradient);
    run("cross_entropy", output, labels, ONE_HOT, weights, new ToSum(term), gradient);
  }

  @Override
  public void crossEntropy(Tensor output, int[] labels, Tally tally, Tensor gradient) {
    Losses.check(output, labels, gradient);
    run("cross_entropy", output, labels, ONE_HOT, ALIKE, new ToTally(tally), gradient);
  }

  @Override
  public void squaredError(
      Tensor output, int[] labels, double[] targets, LossTerm term, Tensor gradient) {
    Losses.checkSquared(output, labels, targets, gradient);
    run("squared", output, labels, targets, ALIKE, new ToSum(term), gradient);
  }

  @Override
  public void squaredError(
      Tensor output, int[] labels, double[] targets, Tally tally, Tensor gradient) {
    Losses.checkSquared(output, labels, targets, gradient);
    run("squared", output, labels, targets, ALIKE, new ToTally(tally), gradient);
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
      Sink sink = new ToSum(term);
      long losses = sink.losses(op, samples);
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
          sink.scale());
      sink.take(op, losses, samples);
      op.finish();
    }
  }

  /** With targets where the error is squared, or weights where it is not. */
  private void run(
      String name,
      Tensor output,
      int[] labels,
      double[] targets,
      float[] weights,
      Sink sink,
      Tensor gradient) {
    int samples = Math.toIntExact(output.shape().size(0));
    if (output.elements() == 0) {
      return;
    }
    String kernel = "nep_loss_" + name;
    try (var op =
            context.begin(
                kernel, output.shape(), 2 * output.shape().bytes(), 20 * output.elements());
        Arena arena = Arena.ofConfined()) {
      long losses = sink.losses(op, samples);
      boolean inPlace = gradient.address() == output.address();
      long target = inPlace ? op.update(gradient) : op.write(gradient);
      long from = inPlace ? target : op.read(output);
      long wanted = labels(op, arena, labels, samples);
      long hits = sink.hits(op);
      long each =
          targets.length > 0
              ? numbers(op, arena, targets, targets.length)
              : weights.length > 0 ? numbers(op, arena, weights, samples) : 0;
      op.launch(
          kernel,
          context.blocks(kernel, (long) samples * LANES, 1),
          from,
          wanted,
          losses,
          hits,
          target,
          (long) samples,
          output.shape().size(1),
          sink.scale(),
          each);
      sink.take(op, losses, samples);
      op.finish();
    }
  }

  void vectors(Tensor output, LossVectors vectors, Tensor gradient) {
    Losses.checkVectors(output, vectors, gradient);
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
          if (vectors.form() == LossVectors.Form.CATEGORICAL
              || vectors.form() == LossVectors.Form.RESIDUAL) {
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
          vectors.form().readsRows() ? op.read(vectors.rows()) : 0L,
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

  private static long numbers(CudaContext.Operation op, Arena arena, float[] values, int count) {
    MemorySegment all = arena.allocate((long) count * Float.BYTES, Float.BYTES);
    MemorySegment.copy(values, 0, all, ValueLayout.JAVA_FLOAT, 0, count);
    return op.upload(all);
  }

  /** Into a sum, with scaled gradients. */
  private record ToSum(LossTerm term) implements Sink {
    @Override
    public float scale() {
      return term.scale();
    }

    @Override
    public long losses(CudaContext.Operation op, int samples) {
      return op.scratch((long) samples * Double.BYTES);
    }

    @Override
    public long hits(CudaContext.Operation op) {
      return 0;
    }

    @Override
    public void take(CudaContext.Operation op, long losses, int samples) {
      long total = op.update(term.sum().bits());
      op.launch("nep_loss_total", 1, losses, (long) samples, term.share(), total);
    }
  }

  /** Each sample's for itself: no copy but where the tally is full. */
  private record ToTally(Tally tally) implements Sink {
    @Override
    public float scale() {
      return 1;
    }

    @Override
    public long losses(CudaContext.Operation op, int samples) {
      tally.makeRoom(samples);
      return op.update(tally.bits()) + tally.lossesAt();
    }

    @Override
    public long hits(CudaContext.Operation op) {
      return op.update(tally.bits()) + tally.hitsAt();
    }

    @Override
    public void take(CudaContext.Operation op, long losses, int samples) {
      tally.written(samples);
    }
  }
}
