package io.nepenthe.detect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.ImageShape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Each transform on images so small that the result is known. */
class TransformTest {
  private static final ImageShape SQUARE = new ImageShape(3, 3, 1);
  private static final ImageShape PIXELS = new ImageShape(1, 2, 3);

  @Test
  void rotatesClockwise() {
    float[] image = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    assertArrayEquals(
        new float[] {7, 4, 1, 8, 5, 2, 9, 6, 3},
        new Transform.Affine(90, 1, 0).apply(image, SQUARE),
        1e-5f);
  }

  @Test
  void shearsRowsByTheirDistanceFromTheCentre() {
    float[] image = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    assertArrayEquals(
        new float[] {2, 3, 0, 4, 5, 6, 0, 7, 8},
        new Transform.Affine(0, 1, 45).apply(image, SQUARE),
        1e-5f);
  }

  @Test
  void enlargesAndShrinksBilinearlyWithZerosFromOutside() {
    // Two channels: a ramp, whose interpolation is the place itself, and its half.
    ImageShape row = new ImageShape(1, 4, 2);
    float[] ramp = {0, 0, 1, 0.5f, 2, 1, 3, 1.5f};
    assertArrayEquals(
        new float[] {0.75f, 0.375f, 1.25f, 0.625f, 1.75f, 0.875f, 2.25f, 1.125f},
        new Transform.Affine(0, 2, 0).apply(ramp, row),
        1e-6f);
    // From −1.5, 0.5, 2.5, 4.5.
    assertArrayEquals(
        new float[] {0, 0, 0.5f, 0.25f, 2.5f, 1.25f, 0, 0},
        new Transform.Affine(0, 0.5, 0).apply(ramp, row),
        1e-6f);
    ImageShape column = new ImageShape(4, 1, 2);
    assertArrayEquals(
        new float[] {0.75f, 0.375f, 1.25f, 0.625f, 1.75f, 0.875f, 2.25f, 1.125f},
        new Transform.Affine(0, 2, 0).apply(ramp, column),
        1e-6f);
  }

  private static double[] gaussian(int reach, double sigma) {
    double[] kernel = new double[reach + 1];
    double sum = 0;
    for (int i = 0; i <= reach; i++) {
      kernel[i] = Math.exp(-i * i / (2 * sigma * sigma));
      sum += (i == 0 ? 1 : 2) * kernel[i];
    }
    for (int i = 0; i <= reach; i++) {
      kernel[i] /= sum;
    }
    return kernel;
  }

  @Test
  void blursOverFiveRowsAndNineColumns() {
    ImageShape shape = new ImageShape(9, 13, 2);
    float[] point = new float[9 * 13 * 2];
    point[(4 * 13 + 6) * 2 + 1] = 1;
    float[] found = new Transform.Blur(2).apply(point, shape);
    double[] rows = gaussian(2, 2);
    double[] columns = gaussian(4, 2);
    for (int y = 0; y < 9; y++) {
      for (int x = 0; x < 13; x++) {
        int down = Math.abs(y - 4);
        int right = Math.abs(x - 6);
        double expected = down > 2 || right > 4 ? 0 : rows[down] * columns[right];
        assertEquals(0, found[(y * 13 + x) * 2], "the other channel");
        assertEquals(expected, found[(y * 13 + x) * 2 + 1], 1e-7, y + ", " + x);
      }
    }
  }

  @Test
  void mirrorsAtTheEdgesWithoutRepeatingThem() {
    ImageShape row = new ImageShape(1, 12, 1);
    double[] kernel = gaussian(4, 1.5);
    for (int at : new int[] {0, 1, 2, 10, 11}) {
      float[] point = new float[12];
      point[at] = 1;
      float[] found = Warp.blur(point, row, 3, 4, 1.5);
      for (int x = 0; x < 12; x++) {
        double expected = 0;
        for (int k = -4; k <= 4; k++) {
          int from = x + k < 0 ? -(x + k) : x + k > 11 ? 22 - (x + k) : x + k;
          expected += from == at ? kernel[Math.abs(k)] : 0;
        }
        assertEquals(expected, found[x], 1e-7, at + " to " + x);
      }
    }
  }

  @Test
  void elasticDisplacementsAreSmoothedNoise() {
    ImageShape shape = new ImageShape(6, 5, 1);
    float[] image = new float[30];
    for (int i = 0; i < 30; i++) {
      image[i] = (i * 7 % 11) / 10f;
    }
    Transform.Elastic elastic = new Transform.Elastic(6, 1, 42);
    float[] found = elastic.apply(image, shape);
    double[][] moves = {smoothed(6, 5, 0), smoothed(6, 5, 1)};
    double furthest = 0;
    for (int y = 0; y < 6; y++) {
      for (int x = 0; x < 5; x++) {
        double sy = y + 3 * moves[0][y * 5 + x];
        double sx = x + 3 * moves[1][y * 5 + x];
        furthest = Math.max(furthest, Math.abs(sy - y));
        double expected = 0;
        for (int v = 0; v < 6; v++) {
          for (int u = 0; u < 5; u++) {
            expected +=
                Math.max(0, 1 - Math.abs(sy - v))
                    * Math.max(0, 1 - Math.abs(sx - u))
                    * image[v * 5 + u];
          }
        }
        assertEquals(expected, found[y * 5 + x], 1e-5, y + ", " + x);
      }
    }
    assertTrue(furthest > 0.2, "moved " + furthest);
  }

  /** U(−1, 1), smoothed by a Gaussian of deviation 1 over the mirrored plane. */
  private static double[] smoothed(int height, int width, int axis) {
    Draws draws = new Draws(42, axis);
    double[] noise = new double[height * width];
    for (int i = 0; i < noise.length; i++) {
      noise[i] = (float) draws.uniform(-1, 1);
    }
    double[] kernel = gaussian(4, 1);
    double[] out = new double[noise.length];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        for (int v = -4; v <= 4; v++) {
          for (int u = -4; u <= 4; u++) {
            int from = mirrored(y + v, height) * width + mirrored(x + u, width);
            out[y * width + x] += kernel[Math.abs(v)] * kernel[Math.abs(u)] * noise[from];
          }
        }
      }
    }
    return out;
  }

  private static int mirrored(int at, int size) {
    int inside = Math.abs(at);
    return inside < size ? inside : 2 * (size - 1) - inside;
  }

  private static float[] jittered(double b, double c, double s, double hue, float... pixels) {
    return new Transform.ColourJitter(b, c, s, hue).apply(pixels, PIXELS);
  }

  /** The hue goes through bytes, all else is exact to them. */
  private static void assertPixels(float[] found, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], found[i], 1.01 / 255, "value " + i);
    }
  }

  @Test
  void coloursAreScaledAboutTheirMeans() {
    float[] two = {0.8f, 0.4f, 0.2f, 0.2f, 0.6f, 0.4f};
    assertPixels(jittered(1, 1, 1, 0, two), 0.8, 0.4, 0.2, 0.2, 0.6, 0.4);
    assertPixels(jittered(0.5, 1, 1, 0, two), 0.4, 0.2, 0.1, 0.1, 0.3, 0.2);
    assertPixels(jittered(2, 1, 1, 0, two), 1, 0.8, 0.4, 0.4, 1, 0.8);
    double first = 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.2;
    double second = 0.299 * 0.2 + 0.587 * 0.6 + 0.114 * 0.4;
    double mean = (first + second) / 2;
    double[] halved = new double[6];
    double[] grey = new double[6];
    for (int i = 0; i < 6; i++) {
      halved[i] = (mean + two[i]) / 2;
      double own = i < 3 ? first : second;
      grey[i] = own + 0.25 * (two[i] - own);
    }
    assertPixels(jittered(1, 0.5, 1, 0, two), halved);
    assertPixels(jittered(1, 1, 0.25, 0, two), grey);
    assertPixels(jittered(1, 1, 1, 1 / 3.0, two), 0.2, 0.8, 0.4, 0.4, 0.2, 0.6);
    assertPixels(jittered(1, 1, 1, -1 / 3.0, 1, 0, 0, 0, 1, 0), 0, 0, 1, 1, 0, 0);
  }

  @Test
  void redAndGreenAreExchangedAndValuesInverted() {
    float[] two = {1, 2, 3, 4, 5, 6};
    assertArrayEquals(
        new float[] {2, 1, 3, 5, 4, 6}, new Transform.SwapRedGreen().apply(two, PIXELS));
    assertArrayEquals(
        new float[] {0.75f, 0, 1},
        new Transform.Invert().apply(new float[] {0.25f, 1, 0}, new ImageShape(1, 1, 3)));
  }

  /** From end to end, and each kind as often as another. */
  @Test
  void parametersFillTheirRanges() {
    ImageShape colour = new ImageShape(4, 4, 3);
    Map<String, List<Double>> drawn = new HashMap<>();
    Map<Class<?>, Integer> kinds = new HashMap<>();
    int count = 2100;
    for (int k = 0; k < count; k++) {
      Transform transform = Transform.draw(1, k, colour);
      kinds.merge(transform.getClass(), 1, Integer::sum);
      switch (transform) {
        case Transform.Affine affine -> {
          add(drawn, "degrees", affine.degrees());
          add(drawn, "scale", affine.scale());
          add(drawn, "shear", affine.shear());
        }
        case Transform.Blur blur -> add(drawn, "blur", blur.sigma());
        case Transform.ColourJitter jitter -> {
          add(drawn, "brightness", jitter.brightness());
          add(drawn, "contrast", jitter.contrast());
          add(drawn, "saturation", jitter.saturation());
          add(drawn, "hue", jitter.hue());
        }
        case Transform.Elastic elastic -> {
          assertEquals(150, elastic.alpha());
          assertEquals(5, elastic.sigma());
        }
        default -> {}
      }
    }
    // Binomial: deviation √(n·1/7·6/7); six of them.
    for (Map.Entry<Class<?>, Integer> kind : kinds.entrySet()) {
      assertEquals(
          count / 7.0, kind.getValue(), 6 * Math.sqrt(count * 6 / 49.0), kind.getKey().getName());
    }
    assertRange(drawn.get("degrees"), -180, 180);
    assertRange(drawn.get("scale"), 1, 2);
    assertRange(drawn.get("shear"), -10, 10);
    assertRange(drawn.get("blur"), 8, 10);
    assertRange(drawn.get("brightness"), 0.9, 1.1);
    assertRange(drawn.get("contrast"), 0.9, 1.1);
    assertRange(drawn.get("saturation"), 0.6, 1.4);
    assertRange(drawn.get("hue"), -0.1, 0.1);
  }

  private static void add(Map<String, List<Double>> drawn, String name, double value) {
    drawn.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
  }

  /** Some 300 draws: that none is in an outer twentieth has a chance of 10⁻⁷. */
  private static void assertRange(List<Double> values, double low, double high) {
    double least = values.stream().mapToDouble(v -> v).min().orElseThrow();
    double most = values.stream().mapToDouble(v -> v).max().orElseThrow();
    double edge = 0.05 * (high - low);
    assertTrue(least >= low && least < low + edge, "least " + least + " of " + low);
    assertTrue(most <= high && most > high - edge, "most " + most + " of " + high);
  }
}
