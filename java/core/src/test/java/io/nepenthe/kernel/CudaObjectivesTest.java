package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What steps follow, on the device against the plain Java forms, under every schedule. */
class CudaObjectivesTest {
  /** Sums of at most 70 terms in float64 in another order, and another exponential. */
  private static final double FLOAT64 = 100 * 0x1p-53;

  /** A loss of a batch, on one of the two devices. */
  private interface Loss {
    void evaluate(Objectives objectives, Tensor output, LossTerm term, Tensor gradient);
  }

  private static int[] labels(Board board, int samples, int classes) {
    int[] labels = new int[samples];
    for (int n = 0; n < samples; n++) {
      labels[n] = board.random().nextInt(classes);
    }
    return labels;
  }

  /**
   * Two batches into one sum.
   *
   * @param size of a sample's loss and of the terms of its gradient, at most
   */
  private static void compare(Board board, Tensor output, Tensor before, double size, Loss loss) {
    float scale = board.pick(1, -1, 3) / 7f;
    double share = board.pick(1, -2) / 3.0;
    LossSum want = LossSum.zero(board.arena(), board.cpu());
    LossSum got = LossSum.zero(board.arena(), board.cuda());
    Twin values = board.twin(output);
    assertEquals(0, got.value());
    for (int batch = 0; batch < 2; batch++) {
      Tensor expected = board.copy(before);
      Twin gradient = board.twin(before);
      loss.evaluate(board.cpu().objectives(), output, new LossTerm(scale, share, want), expected);
      loss.evaluate(
          board.cuda().objectives(),
          values.device,
          new LossTerm(scale, share, got),
          gradient.device);
      Tensor found = gradient.now();
      for (long i = 0; i < expected.elements(); i++) {
        double rounding = 2 * Math.ulp(expected.get(i)) + FLOAT64 * size * Math.abs(scale);
        assertEquals(expected.get(i), found.get(i), rounding, "gradient " + i);
      }
      values.assertSame();
    }
    double bound = 2 * FLOAT64 * size * output.shape().size(0) * Math.abs(share);
    assertEquals(want.value(), got.value(), bound);
    assertTrue(Math.abs(want.value()) > bound, "nothing was added");
    got.clear();
    assertEquals(0, got.value());
  }

  @Test
  void lossesOfLabels() {
    everySchedule(
        Precision.FP32,
        board -> {
          int classes = board.pick(2, 10, 33, 70);
          int samples = board.pick(1, 3, 40, 131);
          int[] labels = labels(board, samples, classes);
          Tensor output = board.normal(samples, classes);
          Tensor before = board.normal(samples, classes);
          // Of normal outputs a loss is below 20.
          compare(board, output, before, 20, (o, z, term, g) -> o.crossEntropy(z, labels, term, g));
          float[] weights = new float[samples + 1];
          for (int n = 0; n <= samples; n++) {
            weights[n] = n % 3 == 1 ? 0 : board.random().nextFloat();
          }
          compare(
              board,
              output,
              before,
              20,
              (o, z, term, g) -> o.crossEntropy(z, labels, weights, term, g));
          plainWeighted(board, output, labels, weights);
          double[] oneHot = {};
          compare(
              board,
              output,
              before,
              20,
              (o, z, term, g) -> o.squaredError(z, labels, oneHot, term, g));
          double[] targets = board.random().doubles(classes).toArray();
          Tensor numbers = board.normal(samples, 1);
          compare(
              board,
              numbers,
              board.normal(samples, 1),
              20,
              (o, z, term, g) -> o.squaredError(z, labels, targets, term, g));
        });
  }

  /** The obviously right kernel, and that weights are factors of losses and gradients. */
  private static void plainWeighted(Board board, Tensor output, int[] labels, float[] weights) {
    int samples = labels.length;
    long classes = output.shape().size(1);
    double[] own = new double[samples];
    Tensor expected = board.copy(output);
    Losses.crossEntropy(output, labels, own, expected);
    double want = 0;
    for (int n = 0; n < samples; n++) {
      want += weights[n] * own[n];
      for (long c = 0; c < classes; c++) {
        expected.set(n * classes + c, expected.get(n * classes + c) * weights[n]);
      }
    }
    LossSum sum = LossSum.zero(board.arena(), board.cpu());
    Tensor onHost = board.copy(output);
    board.cpu().objectives().crossEntropy(output, labels, weights, new LossTerm(1, 1, sum), onHost);
    KernelTest.assertBitwise(expected, onHost);
    assertEquals(want, sum.value());
    Twin gradient = board.twin(output);
    Tensor factors = Tensor.zeros(board.arena(), weights.length);
    for (int n = 0; n < weights.length; n++) {
      factors.set(n, weights[n]);
    }
    LossSum total = LossSum.zero(board.arena(), board.cuda());
    try (var op = board.cuda().context().begin("plain", output.shape(), 0, 0)) {
      long losses = op.scratch(8L * samples);
      op.launch(
          "nep_loss_cross_entropy_plain",
          board.cuda().context().allBlocks("nep_loss_cross_entropy_plain", samples),
          op.read(output),
          CudaLosses.labels(op, board.arena(), labels, samples),
          losses,
          0L,
          gradient.device.address(),
          (long) samples,
          classes,
          1f,
          op.read(factors));
      long bits = total.bits().address();
      op.launch("nep_loss_total_plain", 1, losses, (long) samples, 1.0, bits);
    }
    assertEquals(want, total.value(), FLOAT64 * 20 * samples);
    Tensor found = gradient.now();
    for (long i = 0; i < expected.elements(); i++) {
      double rounding = 2 * Math.ulp(expected.get(i)) + FLOAT64 * 20;
      assertEquals(expected.get(i), found.get(i), rounding, "gradient " + i);
    }
  }

  @Test
  void teachers() {
    everySchedule(
        Precision.FP32,
        board -> {
          boolean numbers = board.seed() % 3 == 0;
          int classes = numbers ? 1 : board.pick(2, 10, 33, 70);
          int samples = board.pick(1, 3, 40, 131);
          int known = board.pick(1, 5, 200);
          Tensor output = board.normal(samples, classes);
          Tensor answers = board.normal(known, classes);
          Twin onDevice = board.twin(answers);
          int[] rows = labels(board, samples, known);
          double temperature = board.pick(1, 2, 3);
          double weight = board.pick(1, 5) / 5.0;
          double kept = board.pick(0, 3) / 4.0;
          var distance = new TeacherDistance(numbers, temperature, weight, kept);
          double size = 20 * temperature * temperature;
          compare(
              board,
              output,
              board.normal(samples, classes),
              size,
              (o, z, term, g) ->
                  o.teacher(z, z.onHost() ? answers : onDevice.device, rows, distance, term, g));
          onDevice.assertSame();
          plain(board, output, answers, rows, distance);
        });
  }

  /** The obviously right kernels of a distance and of a sum. */
  private static void plain(
      Board board, Tensor output, Tensor answers, int[] rows, TeacherDistance d) {
    Tensor before = board.normal(output.shape().size(0), output.shape().size(1));
    Tensor expected = board.copy(before);
    double want = d.evaluate(output, answers, rows, expected);
    Twin gradient = board.twin(before);
    LossSum total = LossSum.zero(board.arena(), board.cuda());
    int samples = rows.length;
    double size = 20 * d.temperature() * d.temperature();
    try (var op = board.cuda().context().begin("plain", output.shape(), 0, 0)) {
      long losses = op.scratch(8L * samples);
      op.launch(
          "nep_loss_teacher_plain",
          board.cuda().context().allBlocks("nep_loss_teacher_plain", samples),
          op.read(output),
          op.read(answers),
          CudaLosses.labels(op, board.arena(), rows, samples),
          losses,
          gradient.device.address(),
          (long) samples,
          output.shape().size(1),
          d.numbers() ? 1 : 0,
          d.temperature(),
          d.weight(),
          d.kept(),
          1f);
      long bits = total.bits().address();
      op.launch("nep_loss_total_plain", 1, losses, (long) samples, 1.0, bits);
    }
    assertEquals(want, total.value(), FLOAT64 * size * samples);
    Tensor found = gradient.now();
    for (long i = 0; i < expected.elements(); i++) {
      double rounding = Math.ulp(expected.get(i)) + FLOAT64 * size;
      assertEquals(expected.get(i), found.get(i), rounding, "gradient " + i);
    }
  }

  /** The shipped kernels, the obviously right ones and Java leave the same bits. */
  @Test
  void penalties() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 5, 64, 257, 1030);
          Tensor of = board.normal(n);
          for (long j = 0; j < n; j += 3) {
            of.set(j, j % 2 == 0 ? 0f : -0f);
          }
          of.set(n - 1, Float.NaN);
          CudaContext context = board.cuda().context();
          Twin values = board.twin(board.normal(n));
          Twin plain = board.twin(board.copy(values.host));
          Twin ofTwin = board.twin(of);
          board.cpu().addSigns(values.host, of, 0.3f);
          board.cuda().addSigns(values.device, ofTwin.device, 0.3f);
          launch(
              context,
              "nep_penalty_signs_plain",
              n,
              plain.device.address(),
              ofTwin.device.address(),
              (long) n,
              0.3f);
          values.assertSame();
          KernelTest.assertBitwise(values.host, plain.now());
          shrink(board, board.normal(n), of);
        });
  }

  private static void shrink(Board board, Tensor start, Tensor of) {
    int n = (int) start.elements();
    start.set(n - 1, of.get(n - 1));
    Mask.Part mask = Mask.zeros(board.arena(), List.of(start.shape())).part(0);
    for (long j = 0; j < n; j++) {
      mask.set(j, board.random().nextInt(3) > 0);
    }
    for (Optional<Mask.Part> kept : List.of(Optional.<Mask.Part>empty(), Optional.of(mask))) {
      Twin weights = board.twin(board.copy(start));
      Twin plain = board.twin(start);
      board.cpu().shrink(weights.host, kept, 0.5f);
      board.cuda().shrink(weights.device, kept, 0.5f);
      weights.assertSame();
      try (var op = board.cuda().context().begin("plain", n, 0, 0)) {
        op.launch(
            "nep_penalty_shrink_plain",
            board.cuda().context().allBlocks("nep_penalty_shrink_plain", n),
            plain.device.address(),
            kept.isPresent() ? op.upload(mask.segment()) : 0L,
            (long) n,
            0.5f);
      }
      KernelTest.assertBitwise(weights.host, plain.now());
      for (long j = 0; j < n - 1; j++) {
        boolean moves = kept.isEmpty() || mask.get(j);
        double size = Math.max(0, (double) Math.abs(start.get(j)) - 0.5);
        double want = moves ? Math.signum(start.get(j)) * size : start.get(j);
        assertEquals(want, weights.host.get(j), Math.ulp(1f), "weight " + j);
      }
    }
  }

  private static void launch(CudaContext context, String kernel, long n, Object... arguments) {
    try (var op = context.begin("plain", n, 0, 0)) {
      op.launch(kernel, context.allBlocks(kernel, n), arguments);
    }
  }

  @Test
  void misuseIsRefusedOnBothDevices() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Backend cpu = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor z = Tensor.zeros(arena, 2, 3);
      Tensor g = Tensor.zeros(arena, 2, 3);
      Tensor answers = Tensor.zeros(arena, 4, 3);
      var d = new TeacherDistance(false, 2, 1, 0);
      var number = new TeacherDistance(true, 2, 1, 0);
      for (Backend backend : new Backend[] {cuda, cpu}) {
        Objectives o = backend.objectives();
        LossTerm term = new LossTerm(1, 1, LossSum.zero(arena, cpu));
        Runnable[] wrong = {
          () -> o.crossEntropy(z, new int[] {0, 3}, term, g),
          () -> o.crossEntropy(z, new int[1], term, g),
          () -> o.crossEntropy(z, new int[2], new float[1], term, g),
          () -> o.crossEntropy(z, new int[] {0, 3}, new float[2], term, g),
          () -> o.squaredError(z, new int[2], new double[] {1}, term, g),
          () -> o.teacher(z, answers, new int[] {0, 4}, d, term, g),
          () -> o.teacher(z, answers, new int[1], d, term, g),
          () -> o.teacher(z, answers, new int[2], d, term, z),
          () -> o.teacher(z, answers, new int[2], number, term, g),
          () -> o.teacher(z, Tensor.zeros(arena, 4, 2), new int[2], d, term, g),
          () -> backend.addSigns(z, g.slice(0, Shape.of(3)), 1),
          () -> backend.addSigns(z, z, 1),
          () -> backend.shrink(z, Optional.of(Mask.zeros(arena, List.of(Shape.of(5))).part(0)), 1)
        };
        for (Runnable call : wrong) {
          assertThrows(IllegalArgumentException.class, call::run);
        }
      }
      assertThrows(
          IllegalArgumentException.class, () -> new TeacherDistance(false, 0, 1, 0).numbers());
    }
  }
}
