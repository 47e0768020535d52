package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** Losses on the device against the plain Java ones, under every schedule. */
class CudaLossesTest {
  /** Sums of at most 70 terms in float64 in another order, and another exponential. */
  private static final double FLOAT64 = 100 * 0x1p-53;

  private interface Judge {
    void judge(Tensor output, double[] losses, boolean[] hits, Tensor gradient);
  }

  /** A loss of a batch. */
  private interface Loss {
    void evaluate(Objectives objectives, Tensor output, Tally tally, Tensor gradient);
  }

  private record Batch(Tensor output, int[] labels) {
    static Batch of(Board board, int classes) {
      int samples = board.pick(1, 3, 40);
      Tensor output = board.normal(samples, classes);
      int[] labels = new int[samples];
      for (int n = 0; n < samples; n++) {
        labels[n] = board.random().nextInt(classes);
        int other = board.random().nextInt(classes);
        output.set((long) n * classes + other, output.get((long) n * classes)); // equal outputs
      }
      return new Batch(output, labels);
    }
  }

  private static void compare(Board board, Batch batch, Judge want, Judge got) {
    Tensor output = batch.output;
    int samples = (int) output.shape().size(0);
    double[][] losses = new double[2][samples];
    boolean[][] hits = new boolean[2][samples];
    Tensor expected = Tensor.zeros(board.arena(), output.shape());
    want.judge(output, losses[0], hits[0], expected);
    for (boolean inPlace : new boolean[] {false, true}) {
      Twin values = board.twin(output);
      Twin gradient = inPlace ? values : board.twin(expected);
      if (!inPlace) {
        gradient.device.clear();
      }
      got.judge(values.device, losses[1], hits[1], gradient.device);
      assertArrayEquals(hits[0], hits[1]);
      for (int n = 0; n < samples; n++) {
        assertEquals(losses[0][n], losses[1][n], FLOAT64 * Math.max(1, Math.abs(losses[0][n])));
      }
      assertClose(expected, gradient.now());
    }
  }

  /** A float apart at most, where float64 lies near the middle of two. */
  private static void assertClose(Tensor want, Tensor got) {
    for (long i = 0; i < want.elements(); i++) {
      assertEquals(want.get(i), got.get(i), Math.ulp(want.get(i)), "gradient " + i);
    }
  }

  /** What the kernels leave in a tally, of which a part may be in use already. */
  private static Judge onDevice(Board board, Loss loss) {
    return (z, losses, hits, g) -> {
      Tally tally = new Tally(board.arena(), board.cuda(), losses.length + 5);
      tally.written(board.pick(0, 5));
      int at = (int) (tally.lossesAt() / Double.BYTES);
      loss.evaluate(board.cuda().objectives(), z, tally, g);
      Tensor bits = board.copy(tally.bits());
      for (int n = 0; n < losses.length; n++) {
        long hit = (losses.length + 5L) * Double.BYTES + (at + n) * (long) Integer.BYTES;
        losses[n] = bits.segment().getAtIndex(ValueLayout.JAVA_DOUBLE, at + n);
        hits[n] = bits.segment().get(ValueLayout.JAVA_INT, hit) != 0;
      }
    };
  }

  @Test
  void crossEntropy() {
    everySchedule(
        Precision.FP32,
        board -> {
          Batch batch = Batch.of(board, board.pick(1, 2, 10, 33, 70));
          int[] labels = batch.labels;
          Judge host =
              (z, losses, hits, g) -> {
                Losses.hits(z, labels, hits);
                Losses.crossEntropy(z, labels, losses, g);
              };
          Loss loss = (o, z, tally, g) -> o.crossEntropy(z, labels, tally, g);
          compare(board, batch, host, onDevice(board, loss));
          compare(
              board,
              batch,
              host,
              (z, losses, hits, g) -> plain(board, "cross_entropy", z, labels, losses, hits, g));
        });
  }

  @Test
  void squaredErrors() {
    everySchedule(
        Precision.FP32,
        board -> {
          boolean numbers = board.seed() % 2 == 0;
          Batch batch = Batch.of(board, numbers ? 1 : board.pick(1, 2, 10, 33, 70));
          int[] labels = batch.labels;
          double[] targets = numbers ? new double[] {-1.5, 0.25, 7} : new double[0];
          for (int n = 0; numbers && n < labels.length; n++) {
            labels[n] = board.random().nextInt(3);
          }
          Judge host =
              (z, losses, hits, g) -> {
                Losses.hits(z, labels, hits);
                Losses.squaredError(z, labels, targets, losses, g);
              };
          Loss loss = (o, z, tally, g) -> o.squaredError(z, labels, targets, tally, g);
          compare(board, batch, host, onDevice(board, loss));
          if (!numbers) {
            compare(
                board,
                batch,
                host,
                (z, losses, hits, g) -> plain(board, "squared", z, labels, losses, hits, g));
          }
        });
  }

  /** Sums of both devices, also where their room is full again and again. */
  @Test
  void tallies() {
    everySchedule(
        Precision.FP32,
        board -> {
          Tally want = Tally.zero(board.arena(), board.cpu(), 40);
          Tally all = Tally.zero(board.arena(), board.cuda(), 40);
          Tally few = new Tally(board.arena(), board.cuda(), 40);
          for (int turn = 0; turn < 2; turn++) {
            double loss = 0;
            long hits = 0;
            for (int n = 0; n < 4; n++) {
              Batch batch = Batch.of(board, 10);
              int samples = batch.labels.length;
              Tensor g = Tensor.zeros(board.arena(), batch.output.shape());
              boolean[] hit = new boolean[samples];
              Losses.hits(batch.output, batch.labels, hit);
              for (boolean one : hit) {
                hits += one ? 1 : 0;
              }
              loss += Losses.crossEntropy(batch.output, batch.labels, new double[samples], g);
              board.cpu().objectives().crossEntropy(batch.output, batch.labels, want, g);
              Twin z = board.twin(batch.output);
              for (Tally tally : new Tally[] {all, few}) {
                Twin gradient = board.twin(g);
                board
                    .cuda()
                    .objectives()
                    .crossEntropy(z.device, batch.labels, tally, gradient.device);
              }
            }
            assertEquals(loss, want.loss());
            for (Tally tally : new Tally[] {want, all, few}) {
              assertEquals(hits, tally.hits());
              assertEquals(loss, tally.loss(), 160 * FLOAT64 * loss);
              tally.clear();
              assertEquals(0, tally.loss());
              assertEquals(0, tally.hits());
            }
          }
        });
  }

  /** The obviously right kernel. */
  private static void plain(
      Board board,
      String name,
      Tensor output,
      int[] labels,
      double[] losses,
      boolean[] hits,
      Tensor gradient) {
    CudaContext context = board.cuda().context();
    int samples = labels.length;
    Arena arena = board.arena();
    try (var op = context.begin("plain", output.shape(), 0, 0)) {
      MemorySegment classes = arena.allocate(4L * samples, 4);
      MemorySegment.copy(labels, 0, classes, ValueLayout.JAVA_INT, 0, samples);
      long found = op.scratch(8L * samples);
      long correct = op.scratch(4L * samples);
      Object[] arguments = {
        output.address(),
        op.upload(classes),
        found,
        correct,
        gradient.address(),
        (long) samples,
        output.shape().size(1),
        1f,
        0L
      };
      String kernel = "nep_loss_" + name + "_plain";
      op.launch(kernel, context.allBlocks(kernel, samples), arguments);
      MemorySegment host = arena.allocate(8L * samples, 8);
      context.driver().download(host, found);
      MemorySegment.copy(host, ValueLayout.JAVA_DOUBLE, 0, losses, 0, samples);
      context.driver().download(host.asSlice(0, 4L * samples), correct);
      for (int n = 0; n < samples; n++) {
        hits[n] = host.getAtIndex(ValueLayout.JAVA_INT, n) != 0;
      }
    }
  }

  @Test
  void misuseIsRefusedOnBothDevices() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Backend cpu = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor z = Tensor.zeros(arena, 2, 3);
      for (Backend backend : new Backend[] {cuda, cpu}) {
        Objectives of = backend.objectives();
        Tally tally = Tally.zero(arena, backend, 2);
        Runnable[] wrong = {
          () -> of.crossEntropy(z, new int[] {0, 3}, tally, z),
          () -> of.crossEntropy(z, new int[] {0, -1}, tally, z),
          () -> of.crossEntropy(z, new int[1], tally, z),
          () -> of.crossEntropy(z, new int[2], tally, z.slice(0, Shape.of(3))),
          () -> of.squaredError(z, new int[2], new double[] {1}, tally, z)
        };
        for (Runnable call : wrong) {
          assertThrows(IllegalArgumentException.class, call::run);
        }
      }
      Tally full = new Tally(arena, cuda, 1);
      assertThrows(
          IllegalArgumentException.class,
          () -> cuda.objectives().crossEntropy(z, new int[2], full, z));
    }
  }
}
