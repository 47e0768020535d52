package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.kernel.LossVectors.Form;
import io.nepenthe.kernel.LossVectors.Label;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** What backward passes start from, made on the device, against its definition in plain Java. */
class CudaLossVectorsTest {
  private static final double WEIGHT = 0.75;
  private static final double CURVATURE = 2.5;

  /** A choice of everything, and what it means. */
  private record Chosen(
      Form form,
      Label label,
      int[] labels,
      double[] drawn,
      double[] targets,
      Tensor rows,
      int axis,
      boolean unit,
      boolean rooted)
      implements LossVectors {
    static Chosen of(Board board, Form form, Label label, int samples, int classes) {
      int[] labels = new int[samples];
      double[] drawn = new double[samples];
      boolean numbers = classes == 1 && form == Form.RESIDUAL;
      for (int n = 0; n < samples; n++) {
        labels[n] = board.random().nextInt(numbers ? 3 : classes);
        drawn[n] = n == 0 ? 1 - 0x1p-53 : board.random().nextDouble();
      }
      return new Chosen(
          form,
          label,
          labels,
          drawn,
          numbers ? new double[] {-1.5, 0.25, 7} : new double[0],
          board.normal(samples, classes),
          board.random().nextInt(classes),
          board.seed() % 2 == 0,
          label == Label.AXIS);
    }

    @Override
    public double[] draws(int samples) {
      return drawn;
    }

    @Override
    public double weight() {
      return WEIGHT;
    }

    @Override
    public double curvature() {
      return CURVATURE;
    }

    @Override
    public void write(Tensor output, Tensor gradient) {
      int classes = (int) output.shape().size(1);
      for (int n = 0; n < output.shape().size(0); n++) {
        double[] z = new double[classes];
        for (int c = 0; c < classes; c++) {
          z[c] = output.get((long) n * classes + c);
        }
        double[] row = row(z, n);
        double squares = 0;
        for (double value : row) {
          squares += value * value;
        }
        double factor = WEIGHT * (unit ? squares > 0 ? 1 / Math.sqrt(squares) : 0 : 1);
        for (int c = 0; c < classes; c++) {
          double root = rooted && form == Form.CATEGORICAL ? Math.sqrt(softmax(z)[axis]) : 1;
          gradient.set((long) n * classes + c, (float) (factor * root * row[c]));
        }
      }
    }

    private double[] row(double[] z, int n) {
      double[] row = new double[z.length];
      int y = label == Label.AXIS ? axis : label == Label.OWN ? labels[n] : draw(softmax(z), n);
      for (int c = 0; c < z.length; c++) {
        double target = targets.length > 0 ? targets[y] : c == y ? 1 : 0;
        row[c] =
            switch (form) {
              case CATEGORICAL -> c == y ? 0 : softmax(z)[c];
              case RESIDUAL -> CURVATURE * (z[c] - target);
              case AXIS -> c == axis ? Math.sqrt(CURVATURE) : 0;
              case OUTPUT -> z[c];
              case DRAWN -> drawn[n] + c;
              case PRODUCT -> softmax(z)[c] * (given(n, z.length)[c] - mean(z, n));
              case DIFFERENCE -> softmax(z)[c] - softmax(given(n, z.length))[c];
            };
      }
      for (int c = 0; form == Form.CATEGORICAL && c < z.length; c++) {
        row[y] -= c == y ? 0 : row[c];
      }
      return row;
    }

    private double[] given(int n, int classes) {
      double[] given = new double[classes];
      for (int c = 0; c < classes; c++) {
        given[c] = rows.get((long) n * classes + c);
      }
      return given;
    }

    private double mean(double[] z, int n) {
      double mean = 0;
      for (int c = 0; c < z.length; c++) {
        mean += softmax(z)[c] * given(n, z.length)[c];
      }
      return mean;
    }

    private int draw(double[] p, int n) {
      double left = drawn[n];
      int y = 0;
      while (y < p.length - 1 && left >= p[y]) {
        left -= p[y++];
      }
      return y;
    }

    private static double[] softmax(double[] z) {
      double max = Double.NEGATIVE_INFINITY;
      double sum = 0;
      for (double value : z) {
        max = Math.max(max, value);
      }
      double[] p = new double[z.length];
      for (int c = 0; c < z.length; c++) {
        p[c] = Math.exp(z[c] - max);
        sum += p[c];
      }
      for (int c = 0; c < z.length; c++) {
        p[c] /= sum;
      }
      return p;
    }
  }

  /** A float apart at most, where float64 lies near the middle of two. */
  private static void assertClose(Tensor want, Tensor got, String what) {
    for (long i = 0; i < want.elements(); i++) {
      assertEquals(want.get(i), got.get(i), Math.ulp(want.get(i)), what + ", value " + i);
    }
  }

  @Test
  void everyFormWithEveryLabel() {
    everySchedule(
        Precision.FP32,
        board -> {
          int samples = board.pick(1, 3, 40);
          int classes = board.pick(1, 2, 10, 33, 70);
          Tensor output = board.normal(samples, classes);
          for (Form form : Form.values()) {
            for (Label label : form == Form.CATEGORICAL ? Label.values() : own()) {
              Chosen chosen = Chosen.of(board, form, label, samples, classes);
              Tensor want = Tensor.zeros(board.arena(), output.shape());
              chosen.write(output, want);
              Twin got = board.twin(board.normal(samples, classes));
              Twin values = board.twin(output);
              board.cuda().dense().lossVectors(values.device, chosen, got.device);
              if (form != Form.DRAWN) {
                assertClose(want, got.now(), "" + chosen);
                plain(board, chosen, values, got);
              }
              assertClose(want, got.now(), "plainly " + chosen);
              board.cpu().dense().lossVectors(output, chosen, got.host);
              KernelTest.assertBitwise(want, got.host);
            }
          }
        });
  }

  private static Label[] own() {
    return new Label[] {Label.OWN};
  }

  /** The obviously right kernel. */
  private static void plain(Board board, Chosen v, Twin output, Twin gradient) {
    CudaContext context = board.cuda().context();
    String kernel = "nep_loss_vectors_plain";
    Shape shape = output.host.shape();
    gradient.device.clear();
    try (var op = context.begin("plain", shape, 0, 0)) {
      Arena arena = board.arena();
      op.launch(
          kernel,
          context.allBlocks(kernel, shape.size(0)),
          output.device.address(),
          v.label == Label.OWN ? CudaLosses.labels(op, arena, v.labels, v.labels.length) : 0L,
          v.label == Label.SAMPLED ? CudaLosses.numbers(op, arena, v.drawn, v.drawn.length) : 0L,
          v.targets.length > 0 ? CudaLosses.numbers(op, arena, v.targets, v.targets.length) : 0L,
          op.read(v.rows),
          gradient.device.address(),
          shape.size(0),
          shape.size(1),
          v.form.ordinal(),
          v.axis,
          v.unit ? 1 : 0,
          v.rooted ? 1 : 0,
          WEIGHT,
          CURVATURE);
    }
  }

  @Test
  void misuseIsRefusedOnTheDevice() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      Tensor z = Tensor.zeros(arena, 1, 3);
      Tensor gradient = Tensor.zeros(arena, 1, 3);
      Dense dense = cuda.dense();
      Chosen wrong =
          new Chosen(
              Form.CATEGORICAL, Label.OWN, new int[] {3}, null, new double[0], z, 0, false, false);
      Chosen others =
          new Chosen(
              Form.PRODUCT,
              Label.AXIS,
              new int[0],
              null,
              new double[0],
              Tensor.zeros(arena, 1, 2),
              0,
              false,
              false);
      for (Runnable call :
          new Runnable[] {
            () -> dense.lossVectors(z, wrong, gradient),
            () -> dense.lossVectors(z, others, gradient),
            () -> dense.lossVectors(z, wrong, z),
            () -> dense.lossVectors(z, wrong, gradient.slice(0, Shape.of(3)))
          }) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
    }
  }
}
