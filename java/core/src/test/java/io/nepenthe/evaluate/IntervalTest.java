package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class IntervalTest {
  private static final double Z = 1.959963984540054;

  /** Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I. */
  @ParameterizedTest
  @CsvSource({
    "81,263,0.2553,0.3662",
    "15,148,0.0624,0.1605",
    "0,20,0.0000,0.1611",
    "1,29,0.0061,0.1718"
  })
  void aShareHasWhatIsPublished(int successes, int samples, double low, double high) {
    Interval interval = Interval.wilson((double) successes / samples, samples);
    assertEquals(low, interval.low(), 0.5e-4);
    assertEquals(high, interval.high(), 0.5e-4);
  }

  /** SciPy 1.17.1, {@code binomtest(k, n).proportion_ci(0.95, "wilson")}. */
  @ParameterizedTest
  @CsvSource({
    "3,20,0.05236874589621662,0.3604188647407569",
    "20,20,0.8388748419471808,1.0",
    "1,1,0.20654931437723745,1.0",
    "997,1000,0.9912169859464968,0.9989792161188613"
  })
  void aShareHasWhatSciPyHas(int successes, int samples, double low, double high) {
    Interval interval = Interval.wilson((double) successes / samples, samples);
    assertEquals(low, interval.low(), 1e-14);
    assertEquals(high, interval.high(), 1e-14);
  }

  /** The definition: at both ends, where they are within (0, 1), p is z deviations away. */
  @Property(tries = 300)
  void theEndsOfAShareAreWhereItsTestTurns(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int n = random.nextInt(1, 5000);
    double share = (double) random.nextInt(n + 1) / n;
    Interval interval = Interval.wilson(share, n);
    for (double end : new double[] {interval.low(), interval.high()}) {
      if (end != share) {
        double away = Math.abs(share - end) / Math.sqrt(end * (1 - end) / n);
        // 1 − π has lost the digits of π where that is near 1, and so has p − π near p.
        double rounding = 8 * Math.ulp(1.0) * (1 / (1 - end) + 1 / Math.abs(share - end));
        assertEquals(Z, away, Z * rounding, share + " of " + n);
      }
    }
    Interval mirrored = Interval.wilson(1 - share, n);
    assertTrue(interval.low() <= share && share <= interval.high(), "holds its share");
    assertEquals(interval.low(), 1 - mirrored.high(), 8 * Math.ulp(1.0));
    Interval more = Interval.wilson(share, 4L * n);
    assertTrue(more.high() - more.low() < interval.high() - interval.low(), "more samples");
  }

  /**
   * Computed in rational numbers from the matrix of all pairs, but for the root and the logarithm.
   */
  static Stream<Arguments> areas() {
    return Stream.of(
        Arguments.of(
            new double[] {1, 3}, new double[] {0, 2}, 0.06932327703202112, 0.9917916068049315),
        Arguments.of(
            new double[] {0.9, 0.8, 0.7, 0.6, 0.55, 0.54, 0.51, 0.4},
            new double[] {0.7, 0.53, 0.52, 0.505, 0.39, 0.38, 0.37, 0.36, 0.35, 0.34, 0.33, 0.1},
            0.6513739776757841,
            0.972593821699713),
        Arguments.of(
            new double[] {5, 4, 4, 3, 1},
            new double[] {4, 3, 3, 2, 2, 1, 0},
            0.35943472470397747,
            0.945420713226007));
  }

  @ParameterizedTest
  @MethodSource("areas")
  void anAreaHasWhatAllPairsGive(double[] members, double[] others, double low, double high) {
    Interval interval = Interval.areaUnderCurve(members, others);
    assertEquals(low, interval.low(), 1e-13);
    assertEquals(high, interval.high(), 1e-13);
  }

  /** DeLong's variance is the jackknife's: V_i = m θ − (m − 1) θ without i. */
  @Property(tries = 100)
  void theIntervalOfAnAreaIsThatOfTheJackknife(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] members = random.ints(random.nextInt(2, 30), 0, 9).asDoubleStream().toArray();
    double[] others = random.ints(random.nextInt(2, 30), -3, 8).asDoubleStream().toArray();
    double area = Ranks.area(members, others);
    double variance = jackknife(members, others, false) + jackknife(others, members, true);
    Interval interval = Interval.areaUnderCurve(members, others);
    if (area > 0 && area < 1 && variance > 1e-9) {
      double half = Z * Math.sqrt(variance) / (area * (1 - area));
      double logit = Math.log(area / (1 - area));
      assertEquals(1 / (1 + Math.exp(half - logit)), interval.low(), 1e-9);
      assertEquals(1 / (1 + Math.exp(-half - logit)), interval.high(), 1e-9);
    }
    Interval mirrored = Interval.areaUnderCurve(others, members);
    assertEquals(interval.low(), 1 - mirrored.high(), 1e-12);
    double[] stretched = DoubleStream.of(members).map(v -> 5 * v + 7).toArray();
    double[] alike = DoubleStream.of(others).map(v -> 5 * v + 7).toArray();
    assertEquals(interval, Interval.areaUnderCurve(stretched, alike), "only the order counts");
  }

  private static double jackknife(double[] left, double[] others, boolean strangers) {
    double[] areas = new double[left.length];
    for (int i = 0; i < left.length; i++) {
      double[] rest = new double[left.length - 1];
      System.arraycopy(left, 0, rest, 0, i);
      System.arraycopy(left, i + 1, rest, i, rest.length - i);
      areas[i] = strangers ? Ranks.area(others, rest) : Ranks.area(rest, others);
    }
    double mean = Arrays.stream(areas).average().orElseThrow();
    double squares = Arrays.stream(areas).map(a -> (a - mean) * (a - mean)).sum();
    return squares * (left.length - 1) / left.length;
  }

  /** Members of two kinds, half of them known by heart: no normal distribution. */
  @Test
  void theAreaOfAPopulationIsWithinNearlyAsOftenAsItSays() {
    int rounds = 1000;
    // Strangers U(0, 1); members from 0.9 on, or all over: θ = (0.95 + 0.5) / 2.
    int within = 0;
    SplittableRandom random = new SplittableRandom(1);
    for (int round = 0; round < rounds; round++) {
      double[] members =
          DoubleStream.generate(
                  () -> random.nextBoolean() ? random.nextDouble(0.9, 1) : random.nextDouble())
              .limit(40)
              .toArray();
      double[] others = random.doubles(120).toArray();
      Interval interval = Interval.areaUnderCurve(members, others);
      within += interval.low() <= 0.725 && 0.725 <= interval.high() ? 1 : 0;
    }
    // Five deviations of a share of 1,000 that is 0.95.
    double noise = 5 * Math.sqrt(0.95 * 0.05 / rounds);
    assertEquals(0.95, (double) within / rounds, noise);
  }

  @Test
  void whereNoVarianceCanBeSeenAnAreaHasAWidth() {
    double[] high = {5, 6, 7};
    double[] low = {1, 2, 3, 4};
    assertEquals(Interval.wilson(1, 3), Interval.areaUnderCurve(high, low));
    assertEquals(Interval.wilson(0, 3), Interval.areaUnderCurve(low, high));
    assertEquals(Interval.wilson(0.75, 1), Interval.areaUnderCurve(new double[] {3.5}, low));
    assertEquals(
        Interval.wilson(0.5, 2), Interval.areaUnderCurve(new double[2], new double[5]), "all ties");
  }

  @Test
  void whatIsNoFigureOfSamplesIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> Interval.wilson(Double.NaN, 3));
    assertThrows(IllegalArgumentException.class, () -> Interval.wilson(1.1, 3));
    assertThrows(IllegalArgumentException.class, () -> Interval.wilson(0.5, 0));
    assertThrows(IllegalArgumentException.class, () -> new Interval(0.5, 0.4));
    double[] none = {};
    double[] some = {1};
    assertThrows(IllegalArgumentException.class, () -> Interval.areaUnderCurve(none, some));
    assertThrows(IllegalArgumentException.class, () -> Interval.areaUnderCurve(some, none));
    assertThrows(
        IllegalArgumentException.class,
        () -> Interval.areaUnderCurve(some, new double[] {Double.NaN}));
  }
}
