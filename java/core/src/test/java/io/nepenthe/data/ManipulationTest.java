package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ManipulationTest {
  /** Ids are not positions: every second image of 400, shuffled. */
  private final Dataset clean =
      Datasets.shuffled(
          Subset.of(
              Fixtures.random(400, new ImageShape(6, 5, 2), 5, 1),
              LongStream.range(0, 200).map(i -> 2 * i + 1).toArray()),
          8);

  private static Set<Long> set(long[] ids) {
    return LongStream.of(ids).boxed().collect(Collectors.toSet());
  }

  /** What every manipulation promises. */
  private void check(Manipulated done, double known) {
    Set<Long> manipulated = set(done.manipulatedIds());
    assertEquals(manipulated.size(), done.manipulatedIds().length);
    assertTrue(manipulated.containsAll(set(done.knownIds())));
    long expected = Math.round(known * manipulated.size());
    expected = expected == 0 && known > 0 && !manipulated.isEmpty() ? 1 : expected;
    assertEquals(expected, set(done.knownIds()).size());
    for (long i = 0; i < clean.size(); i++) {
      assertEquals(clean.id(i), done.dataset().id(i));
      assertEquals(clean.label(i), done.cleanLabels().label(i));
      boolean altered =
          clean.label(i) != done.dataset().label(i)
              || !Arrays.equals(Fixtures.pixels(clean, i), Fixtures.pixels(done.dataset(), i));
      assertEquals(manipulated.contains(clean.id(i)), altered, "id " + clean.id(i));
      assertArrayEquals(Fixtures.pixels(done.dataset(), i), Fixtures.pixels(done.cleanLabels(), i));
    }
    assertArrayEquals(done.knownIds(), Datasets.ids(done.known()));
    assertArrayEquals(done.manipulatedIds(), Datasets.ids(done.manipulated()));
    assertEquals(clean.size() - done.knownIds().length, done.retained().size());
    assertEquals(clean.size() - manipulated.size(), done.untouched().size());
  }

  @Property(tries = 40)
  void everyManipulationListsJustWhatItAltered(
      @ForAll long seed,
      @ForAll @IntRange(min = 0, max = 70) int count,
      @ForAll @DoubleRange(min = 0, max = 1) double known) {
    Amount amount = Amount.count(count);
    for (Manipulation manipulation :
        new Manipulation[] {
          BadNets.of(2, amount),
          new InterclassConfusion(1, 3, amount),
          new LabelNoise(amount, LabelNoise.Flip.OTHER_CLASS),
          new LabelNoise(amount, LabelNoise.Flip.PERMUTED)
        }) {
      Manipulated done = manipulation.apply(clean, known, seed);
      check(done, known);
      Manipulated again = manipulation.apply(clean, known, seed);
      assertArrayEquals(done.knownIds(), again.knownIds());
      Fixtures.assertSame(done.dataset(), again.dataset());
      if (!(manipulation instanceof LabelNoise noise && noise.flip() == LabelNoise.Flip.PERMUTED)) {
        assertEquals(count, done.manipulatedIds().length);
      }
      assertArrayEquals(
          done.manipulatedIds(), manipulation.apply(clean, 1 - known, seed).manipulatedIds());
    }
  }

  @Test
  void badNetsPutsAPatchAndTheTargetOnOtherClasses() {
    Manipulated done = BadNets.of(2, Amount.fraction(0.25)).apply(clean, 0.1, 1);
    assertEquals(50, done.manipulatedIds().length);
    assertEquals(5, done.knownIds().length);
    Dataset poisoned = done.manipulated();
    Dataset original = Subset.ofIds(clean, done.manipulatedIds());
    Dataset truth = done.manipulatedWithCleanLabels();
    for (int i = 0; i < 50; i++) {
      assertEquals(2, poisoned.label(i));
      assertNotEquals(2, truth.label(i));
      assertEquals(original.label(i), truth.label(i));
      float[] before = Fixtures.pixels(original, i);
      float[] after = Fixtures.pixels(poisoned, i);
      for (int p = 0; p < 60; p++) {
        boolean patch = p / 10 >= 3 && p / 2 % 5 >= 2;
        assertEquals(patch ? 1f : before[p], after[p], "value " + p);
      }
    }
  }

  @Test
  void everyCornerIsACorner() {
    float[] whole = Fixtures.pixels(clean, 0);
    for (BadNets.Corner corner : BadNets.Corner.values()) {
      BadNets attack = new BadNets(0, Amount.count(1), 2, corner, 0.25f, false);
      float[] image =
          Fixtures.pixels(
              Altered.everywhere(Subset.range(clean, 0, 0), Altered.Patch.of(attack)), 0);
      int top = corner.name().startsWith("TOP") ? 0 : 4;
      int left = corner.name().endsWith("LEFT") ? 0 : 3;
      for (int p = 0; p < 60; p++) {
        int row = p / 10;
        int column = p / 2 % 5;
        boolean patch = row >= top && row < top + 2 && column >= left && column < left + 2;
        assertEquals(patch ? 0.25f : whole[p], image[p], corner + " value " + p);
      }
    }
  }

  @Test
  void aPatchLargerThanTheImageCoversIt() {
    BadNets attack = new BadNets(0, Amount.count(1), 9, BadNets.Corner.TOP_RIGHT, 0.5f, false);
    for (float value : Fixtures.pixels(attack.triggered(clean), 0)) {
      assertEquals(0.5f, value);
    }
  }

  @Test
  void triggeredTestImagesKeepTheirLabels() {
    Dataset triggered = BadNets.of(2, Amount.count(1)).triggered(clean);
    assertEquals(160, triggered.size());
    for (long i = 0; i < triggered.size(); i++) {
      assertNotEquals(2, triggered.label(i));
      assertEquals(1f, Fixtures.pixels(triggered, i)[59]);
      Dataset same = Subset.ofIds(clean, new long[] {triggered.id(i)});
      assertEquals(same.label(0), triggered.label(i));
      assertEquals(Fixtures.pixels(same, 0)[0], Fixtures.pixels(triggered, i)[0]);
    }
  }

  @Test
  void theTargetClassCanBeIncluded() {
    BadNets attack = new BadNets(2, Amount.fraction(1), 3, BadNets.Corner.BOTTOM_RIGHT, 1f, true);
    assertEquals(200, attack.apply(clean, 1, 1).manipulatedIds().length);
    Fixtures.refused(
        () -> BadNets.of(2, Amount.fraction(1)).apply(clean, 1, 1), "200 samples", "160");
  }

  @Test
  void confusionExchangesHalfAndHalf() {
    Manipulated done = InterclassConfusion.of(1, 3, 11).apply(clean, 0.5, 4);
    int[] counts = new int[5];
    for (long i = 0; i < 11; i++) {
      int now = done.manipulated().label(i);
      int before = done.manipulatedWithCleanLabels().label(i);
      assertEquals(4, now + before);
      counts[before]++;
    }
    assertArrayEquals(new int[] {0, 6, 0, 5, 0}, counts);
    Fixtures.refused(() -> InterclassConfusion.of(1, 3, 90).apply(clean, 1, 1), "class 1", "40");
    Fixtures.refused(() -> InterclassConfusion.of(1, 5, 2).apply(clean, 1, 1), "a class 5");
  }

  @Test
  void permutedNoiseKeepsTheClassSizes() {
    LabelNoise noise = new LabelNoise(Amount.count(200), LabelNoise.Flip.PERMUTED);
    Manipulated done = noise.apply(clean, 1, 4);
    int[] before = Fixtures.labels(clean);
    int[] after = Fixtures.labels(done.dataset());
    assertFalse(Arrays.equals(before, after));
    Arrays.sort(before);
    Arrays.sort(after);
    assertArrayEquals(before, after);
    assertTrue(done.manipulatedIds().length > 130 && done.manipulatedIds().length < 190);
  }

  @Test
  void noiseReachesEveryOtherClassAlike() {
    Dataset large = Fixtures.random(8000, new ImageShape(1, 1, 1), 5, 1);
    Manipulated done = LabelNoise.of(1).apply(large, 0, 1);
    int[][] counts = new int[5][5];
    for (long i = 0; i < 8000; i++) {
      counts[large.label(i)][done.dataset().label(i)]++;
    }
    double chi = 0;
    for (int a = 0; a < 5; a++) {
      assertEquals(0, counts[a][a]);
      for (int b = 0; b < 5; b++) {
        chi += a == b ? 0 : (counts[a][b] - 400.0) * (counts[a][b] - 400) / 400;
      }
    }
    // 15 degrees of freedom, p = 1e-6.
    assertTrue(chi < 56, "chi-square " + chi);
  }

  @Test
  void wrongArgumentsAreRefused() {
    Amount one = Amount.count(1);
    assertThrows(IllegalArgumentException.class, () -> BadNets.of(-1, one));
    assertThrows(IllegalArgumentException.class, () -> InterclassConfusion.of(2, 2, 1));
    assertThrows(IllegalArgumentException.class, () -> LabelNoise.of(1.1));
    assertThrows(IllegalArgumentException.class, () -> Amount.count(-1));
    assertThrows(IllegalArgumentException.class, () -> Amount.fraction(Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> BadNets.of(1, one).apply(clean, 2, 1));
    Fixtures.refused(() -> BadNets.of(5, one).apply(clean, 1, 1), "a class 5", "5 classes");
    Fixtures.refused(() -> BadNets.of(5, one).triggered(clean), "a class 5");
    Dataset single = Fixtures.random(3, new ImageShape(1, 1, 1), 1, 1);
    Fixtures.refused(() -> LabelNoise.of(1).apply(single, 1, 1), "2 classes");
  }
}
