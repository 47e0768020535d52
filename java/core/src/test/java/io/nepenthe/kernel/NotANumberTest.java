package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** What is not a number stays so: no layer hides that a network is broken. */
class NotANumberTest {
  private static final Window WINDOW = Window.square(2).withStride(2);
  private static final int SIDE = 4;

  private static Tensor some(Board board, long... sizes) {
    Tensor x = board.normal(sizes);
    for (long i = 0; i < x.elements(); i++) {
      x.set(i, board.random().nextInt(4) == 0 ? Float.NaN : x.get(i));
    }
    x.set(0, Float.NaN);
    return x;
  }

  /** Every value, NaN for NaN. */
  private static void assertSame(float[] want, Tensor cpu, Twin cuda) {
    Tensor device = cuda.now();
    int broken = 0;
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], cpu.get(i), "at " + i);
      assertEquals(want[i], device.get(i), "at " + i + " on the device");
      broken += Float.isNaN(want[i]) ? 1 : 0;
    }
    assertTrue(broken > 0);
  }

  @Test
  void itPassesThroughReluAndItsGradient() {
    everySchedule(
        Precision.FP32,
        board -> {
          Vectors v = new Vectors(board);
          v.dy.set(0, Float.NaN);
          board.cpu().dense().relu(v.x, v.y.host);
          board.cuda().dense().relu(board.twin(v.x).device, v.y.device);
          board.cpu().dense().reluGradient(v.y.host, v.dy, v.dx.host);
          board.cuda().dense().reluGradient(v.y.device, board.twin(v.dy).device, v.dx.device);
          float[] relu = v.x.toArray();
          float[] gradient = v.dy.toArray();
          for (int i = 0; i < relu.length; i++) {
            relu[i] = Float.isNaN(relu[i]) ? Float.NaN : Math.max(relu[i], 0);
            gradient[i] = relu[i] == 0 ? 0 : gradient[i];
          }
          assertSame(relu, v.y.host, v.y);
          assertSame(gradient, v.dx.host, v.dx);
        });
  }

  @Test
  void itPassesThroughCeluAndItsGradient() {
    everySchedule(
        Precision.FP32,
        board -> {
          Vectors v = new Vectors(board);
          board.cpu().dense().celu(v.x, v.y.host, 0.5f);
          board.cuda().dense().celu(board.twin(v.x).device, v.y.device, 0.5f);
          board.cpu().dense().celuGradient(v.y.host, v.dy, v.dx.host, 0.5f);
          board.cuda().dense().celuGradient(v.y.device, board.twin(v.dy).device, v.dx.device, 0.5f);
          for (int i = 0; i < v.x.elements(); i++) {
            assertEquals(Float.isNaN(v.x.get(i)), Float.isNaN(v.y.host.get(i)), "at " + i);
            assertEquals(Float.isNaN(v.x.get(i)), Float.isNaN(v.dx.host.get(i)), "at " + i);
          }
          assertSame(v.y.host.toArray(), v.y.host, v.y);
          assertSame(v.dx.host.toArray(), v.dx.host, v.dx);
        });
  }

  /** A layer's input, some of it no number, and output, with their gradients. */
  private static final class Vectors {
    final Tensor x;
    final Twin y;
    final Twin dx;
    final Tensor dy;

    Vectors(Board board) {
      int n = board.pick(1, 7, 64, 131);
      x = some(board, n);
      y = board.twin(Tensor.zeros(board.arena(), n));
      dx = board.twin(Tensor.zeros(board.arena(), n));
      dy = board.normal(n);
    }
  }

  @Test
  void itIsTheMaximumOfItsWindow() {
    everySchedule(
        Precision.FP32,
        board -> {
          int channels = board.pick(1, 5, 16, 33);
          Tensor x = some(board, 2, SIDE, SIDE, channels);
          Twin y = board.twin(Tensor.zeros(board.arena(), 2, SIDE / 2, SIDE / 2, channels));
          Twin dx = board.twin(Tensor.zeros(board.arena(), 2, SIDE, SIDE, channels));
          Tensor dy = board.normal(2, SIDE / 2, SIDE / 2, channels);
          dy.set(0, Float.NaN);
          Twin there = board.twin(x);
          board.cpu().dense().maxPool(x, y.host, WINDOW);
          board.cuda().dense().maxPool(there.device, y.device, WINDOW);
          board.cpu().dense().maxPoolGradient(x, y.host, dy, dx.host, WINDOW);
          board
              .cuda()
              .dense()
              .maxPoolGradient(there.device, y.device, board.twin(dy).device, dx.device, WINDOW);
          float[] maximum = new float[(int) dy.elements()];
          float[] gradient = new float[(int) x.elements()];
          for (int at = 0; at < maximum.length; at++) {
            int first = first(x, at, channels);
            maximum[at] = x.get(first);
            gradient[first] = dy.get(at);
          }
          assertSame(maximum, y.host, y);
          assertSame(gradient, dx.host, dx);
        });
  }

  /** The first NaN of a window, else the first of its largest values. */
  private static int first(Tensor x, int at, int channels) {
    int c = at % channels;
    int column = at / channels % (SIDE / 2) * 2;
    int row = at / channels / (SIDE / 2) % (SIDE / 2) * 2;
    int image = at / channels / (SIDE / 2) / (SIDE / 2);
    int best = -1;
    for (int i = 0; i < 4; i++) {
      int here = ((image * SIDE + row + i / 2) * SIDE + column + i % 2) * channels + c;
      boolean better = best < 0 || Float.compare(x.get(here), x.get(best)) > 0;
      best = better ? here : best;
    }
    return best;
  }
}
