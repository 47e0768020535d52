package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class NormalisationTest {
  @Test
  void agreesWithExactArithmetic() {
    Dataset dataset = Fixtures.random(30, new ImageShape(5, 4, 3), 2, 9);
    Normalisation got = Normalisation.of(dataset);
    BigDecimal count = BigDecimal.valueOf(30 * 20);
    for (int c = 0; c < 3; c++) {
      BigDecimal sum = BigDecimal.ZERO;
      BigDecimal squares = BigDecimal.ZERO;
      for (int n = 0; n < 30; n++) {
        float[] pixels = Fixtures.pixels(dataset, n);
        for (int i = c; i < pixels.length; i += 3) {
          BigDecimal value = new BigDecimal(pixels[i]);
          sum = sum.add(value);
          squares = squares.add(value.multiply(value));
        }
      }
      BigDecimal mean = sum.divide(count, MathContext.DECIMAL128);
      BigDecimal variance =
          squares.divide(count, MathContext.DECIMAL128).subtract(mean.multiply(mean));
      assertEquals(mean.floatValue(), got.mean()[c], Math.ulp(mean.floatValue()));
      float std = variance.sqrt(MathContext.DECIMAL128).floatValue();
      assertEquals(std, got.std()[c], Math.ulp(std));
    }
  }

  @Test
  void makesMeanZeroAndDeviationOne() {
    Dataset dataset = Fixtures.random(50);
    float[] all = new float[50 * 60];
    Batches.inOrder(dataset, 50)
        .fill(0, MemorySegment.ofArray(all), new int[50], new long[50], Normalisation.of(dataset));
    double sum = 0;
    double squares = 0;
    for (int i = 1; i < all.length; i += 3) {
      sum += all[i];
      squares += all[i] * all[i];
    }
    assertTrue(Math.abs(sum / 1000) < 1e-5, "mean " + sum / 1000);
    assertTrue(Math.abs(squares / 1000 - 1) < 1e-5, "variance " + squares / 1000);
  }

  @Test
  void aConstantChannelIsNotDividedByZero() {
    Dataset black =
        Altered.everywhere(Fixtures.random(9), new Altered.Patch(BadNets.Corner.TOP_LEFT, 9, 0.1f));
    Normalisation got = Normalisation.of(black);
    assertArrayEquals(new float[] {.1f, .1f, .1f}, got.mean());
    assertArrayEquals(new float[] {1, 1, 1}, got.std());
    assertEquals(Normalisation.identity(3), Normalisation.of(Datasets.ofClasses(black)));
  }

  @Test
  void keepsCopies() {
    float[] mean = {1};
    float[] std = {2};
    Normalisation by = new Normalisation(mean, std);
    mean[0] = 5;
    by.std()[0] = 5;
    assertEquals(new Normalisation(new float[] {1}, new float[] {2}), by);
    assertEquals(by.hashCode(), new Normalisation(by.mean(), by.std()).hashCode());
  }

  @Test
  void refusesValuesThatWouldSpoilData() {
    float[] one = {1};
    for (float bad : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      float[] std = {bad};
      assertThrows(IllegalArgumentException.class, () -> new Normalisation(one, std));
    }
    float[] nan = {Float.NaN};
    assertThrows(IllegalArgumentException.class, () -> new Normalisation(nan, one));
    assertThrows(
        IllegalArgumentException.class, () -> new Normalisation(new float[2], new float[] {1}));
    assertThrows(
        IllegalArgumentException.class,
        () -> Normalisation.identity(3).apply(MemorySegment.ofArray(new float[4]), 0, 4));
  }

  @Test
  void mnistHasItsWellKnownMoments() {
    Path images = Fixtures.real("mnist/train-images-idx3-ubyte.gz");
    Dataset mnist = Idx.read(images, Idx.labelsOf(images));
    assertEquals(60_000, mnist.size());
    assertEquals(10, mnist.classes());
    assertEquals(5, mnist.label(0));
    Normalisation got = Normalisation.of(mnist);
    assertEquals(0.1307f, got.mean()[0], 5e-5f);
    assertEquals(0.3081f, got.std()[0], 5e-5f);
  }
}
