package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class SoftmaxTest {
  @Test
  void isThatOfTheDefinition() {
    double[] row = {Math.log(1), Math.log(2), Math.log(5)};
    Softmax.inPlace(row);
    double[] exact = {1.0 / 8, 2.0 / 8, 5.0 / 8};
    for (int c = 0; c < row.length; c++) {
      // Each logarithm, exponential, sum and quotient is off by at most an ulp of values up to 2.
      assertEquals(exact[c], row[c], 8 * Math.ulp(1.0));
    }
  }

  @Test
  void largeOutputsNeitherOverflowNorVanish() {
    double[] row = {1e300, 1e300};
    Softmax.inPlace(row);
    assertArrayEquals(new double[] {0.5, 0.5}, row);
    double[] apart = {-1e5, 1e5};
    Softmax.inPlace(apart);
    assertArrayEquals(new double[] {0, 1}, apart);
  }
}
