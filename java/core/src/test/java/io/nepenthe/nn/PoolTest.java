package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Window;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Poolings whose windows lie in padding alone: the largest and the mean of nothing. */
class PoolTest {
  private static boolean meets(long size, long outputs, int kernel, int stride, int step, int pad) {
    for (long i = 0; i < outputs; i++) {
      boolean inside = false;
      for (long k = 0; k < kernel; k++) {
        long at = i * stride - pad + k * step;
        inside |= at >= 0 && at < size;
      }
      if (!inside) {
        return false;
      }
    }
    return true;
  }

  @Test
  void aWindowMeetsTheImageIfAnyOfItsPositionsDoes() {
    Random random = new Random(1);
    int apart = 0;
    for (int i = 0; i < 20_000; i++) {
      int kernel = 1 + random.nextInt(4);
      int stride = 1 + random.nextInt(4);
      int step = 1 + random.nextInt(4);
      int reach = step * (kernel - 1) + 1;
      int before = random.nextInt(reach);
      int after = random.nextInt(reach);
      int size = 1 + random.nextInt(6);
      if (size + before + after < reach) {
        continue;
      }
      boolean tall = random.nextBoolean();
      Window window =
          tall
              ? new Window(kernel, 1, stride, 1, step, 1, before, 0, after, 0)
              : new Window(1, kernel, 1, stride, 1, step, 0, before, 0, after);
      long outputs = tall ? window.outputHeight(size) : window.outputWidth(size);
      boolean expected = meets(size, outputs, kernel, stride, step, before);
      assertEquals(expected, window.meets(tall ? size : 5, tall ? 5 : size), window + " " + size);
      apart += expected ? 0 : 1;
    }
    assertTrue(apart > 100, "only " + apart + " windows lay in padding");
  }

  @Test
  void oneInPaddingAloneIsRefused() {
    Window window = Window.square(2).withDilation(2).withPadding(1);
    List<Extent> small = List.of(Extent.image(1, 3, 2));
    for (Layer pool : List.of(new Layer.MaxPool(window), new Layer.AveragePool(window, false))) {
      IllegalArgumentException refusal =
          assertThrows(IllegalArgumentException.class, () -> pool.output(small));
      assertTrue(refusal.getMessage().contains("padding alone on images of 1×3×2"));
      assertEquals(Extent.image(2, 3, 2), pool.output(List.of(Extent.image(2, 3, 2))));
    }
    assertEquals(Extent.image(1, 3, 2), new Layer.AveragePool(window, true).output(small));
  }
}
