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
          int n = board.pick(1, 7, 64, 131);
          Tensor x = some(board, n);
          Twin y = board.twin(Tensor.zeros(board.arena(), n));
          Twin dx = board.twin(Tensor.zeros(board.arena(), n));
          Tensor dy = board.normal(n);
          dy.set(0, Float.NaN);
          board.cpu().dense().relu(x, y.host);
          board.cuda().dense().relu(board.twin(x).device, y.device);
          board.cpu().dense().reluGradient(y.host, dy, dx.host);
          board.cuda().dense().reluGradient(y.device, board.twin(dy).device, dx.device);
          float[] relu = new float[n];
          float[] gradient = new float[n];
          for (int i = 0; i < n; i++) {
            relu[i] = Float.isNaN(x.get(i)) ? Float.NaN : Math.max(x.get(i), 0);
            gradient[i] = relu[i] == 0 ? 0 : dy.get(i);
          }
          assertSame(relu, y.host, y);
          assertSame(gradient, dx.host, dx);
        });
  }

  @Test
  void itPassesThroughCeluAndItsGradient() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 7, 64, 131);
          Tensor x = some(board, n);
          Twin y = board.twin(Tensor.zeros(board.arena(), n));
          Twin dx = board.twin(Tensor.zeros(board.arena(), n));
          Tensor dy = board.normal(n);
          board.cpu().dense().celu(x, y.host, 0.5f);
          board.cuda().dense().celu(board.twin(x).device, y.device, 0.5f);
          board.cpu().dense().celuGradient(y.host, dy, dx.host, 0.5f);
          board.cuda().dense().celuGradient(y.device, board.twin(dy).device, dx.device, 0.5f);
          for (int i = 0; i < n; i++) {
            assertEquals(Float.isNaN(x.get(i)), Float.isNaN(y.host.get(i)), "at " + i);
            assertEquals(Float.isNaN(x.get(i)), Float.isNaN(dx.host.get(i)), "at " + i);
          }
          assertSame(y.host.toArray(), y.host, y);
          assertSame(dx.host.toArray(), dx.host, dx);
        });
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
