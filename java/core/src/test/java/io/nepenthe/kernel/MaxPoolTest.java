package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Maxima and where their gradients go, bit by bit, for every number of vectors of channels. */
class MaxPoolTest {
  private static final int SIDE = 5;
  private static final Window[] WINDOWS = {
    Window.square(2).withStride(2), Window.square(3).withStride(2).withPadding(1), Window.square(3)
  };

  @ParameterizedTest
  @ValueSource(longs = {1, 3, 4, 5, 8, 15, 16, 17, 31, 48, 63, 64, 65, 81})
  void agreesWithTheDefinition(long channels) {
    SplittableRandom random = new SplittableRandom(channels);
    for (Window window : WINDOWS) {
      try (Arena arena = Arena.ofConfined();
          Backend backend = Device.cpu(2).open()) {
        int side = (int) window.outputHeight(SIDE);
        Tensor x = Tensor.zeros(arena, Shape.of(2, SIDE, SIDE, channels));
        Tensor dx = Tensor.zeros(arena, x.shape());
        Tensor y = Tensor.zeros(arena, Shape.of(2, side, side, channels));
        Tensor dy = Tensor.zeros(arena, y.shape());
        for (long i = 0; i < x.elements(); i++) {
          x.set(i, random.nextInt(-3, 3)); // many equal ones: the first takes the gradient
        }
        for (long i = 0; i < dy.elements(); i++) {
          dy.set(i, random.nextInt(-8, 8)); // sums are exact
        }
        backend.dense().maxPool(x, y, window);
        backend.dense().maxPoolGradient(x, y, dy, dx, window);
        float[] gradient = new float[(int) x.elements()];
        for (long at = 0; at < y.elements(); at++) {
          long first = largest(x, window, at, side, channels);
          assertEquals(x.get(first), y.get(at), "channels " + channels + " at " + at);
          gradient[(int) first] += dy.get(at);
        }
        for (int i = 0; i < gradient.length; i++) {
          assertEquals(gradient[i], dx.get(i), "channels " + channels + ", gradient " + i);
        }
      }
    }
  }

  /** The first position of the largest value of a window. */
  private static long largest(Tensor x, Window window, long at, int side, long channels) {
    long c = at % channels;
    long column = at / channels % side;
    long row = at / channels / side % side;
    long image = at / channels / side / side;
    long best = -1;
    for (int i = 0; i < window.kernelHeight(); i++) {
      for (int j = 0; j < window.kernelWidth(); j++) {
        long h = row * window.strideHeight() - window.top() + i;
        long w = column * window.strideWidth() - window.left() + j;
        if (h >= 0 && h < SIDE && w >= 0 && w < SIDE) {
          long here = ((image * SIDE + h) * SIDE + w) * channels + c;
          best = best < 0 || x.get(here) > x.get(best) ? here : best;
        }
      }
    }
    return best;
  }
}
