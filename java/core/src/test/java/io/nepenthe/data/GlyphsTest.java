package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class GlyphsTest {
  private static Dataset digits(Glyphs.Split split, long size, long seed) {
    return Glyphs.draw(Glyphs.Alphabet.DIGITS, split, size, seed);
  }

  @Test
  void anImageDoesNotDependOnHowManyThereAre() {
    Dataset few = digits(Glyphs.Split.TRAIN, 7, 3);
    Dataset many = digits(Glyphs.Split.TRAIN, 600, 3);
    Fixtures.assertSame(few, Subset.range(many, 0, 6));
    Fixtures.assertValid(many);
    assertEquals(new ImageShape(28, 28, 1), many.image());
    assertEquals(10, many.classes());
    assertEquals(7, many.label(17));
  }

  @Test
  void seedsSplitsAndImagesDiffer() {
    float[] image = Fixtures.pixels(digits(Glyphs.Split.TRAIN, 11, 3), 0);
    assertFalse(Arrays.equals(image, Fixtures.pixels(digits(Glyphs.Split.TRAIN, 1, 4), 0)));
    assertFalse(Arrays.equals(image, Fixtures.pixels(digits(Glyphs.Split.TEST, 1, 3), 0)));
    assertFalse(Arrays.equals(image, Fixtures.pixels(digits(Glyphs.Split.TRAIN, 11, 3), 10)));
  }

  /** Every bit of 360 images: changes when a stroke, a draw or the order of draws does. */
  @Test
  void everyMachineDrawsTheseBits() {
    CRC32 crc = new CRC32();
    PixelBytes bytes = new PixelBytes(Glyphs.draw(Glyphs.Alphabet.ALL, Glyphs.Split.TRAIN, 360, 1));
    for (int i = 0; i < 360; i++) {
      crc.update(bytes.of(i));
    }
    assertEquals(691360510L, crc.getValue());
  }

  @Test
  void withoutHardnessAClassLooksAlike() {
    Dataset plain = Glyphs.draw(Glyphs.Alphabet.LETTERS, Glyphs.Split.TEST, 260, 1, 0);
    assertEquals("Z", plain.classNames().getLast());
    for (int i = 0; i < 260; i++) {
      float[] image = Fixtures.pixels(plain, i);
      assertEquals(0f, image[0], "the corner is empty");
      float darkest = 0;
      for (float value : image) {
        darkest = Math.max(darkest, value);
      }
      assertTrue(darkest > 0.5f, "image " + i + " is empty");
    }
  }

  /**
   * Guards against a set that needs no network: the nearest mean of ten classes must fail often,
   * and yet find something.
   */
  @Test
  void theNearestMeanIsNotEnough() {
    Dataset train = digits(Glyphs.Split.TRAIN, 4000, 1);
    Dataset test = digits(Glyphs.Split.TEST, 1000, 1);
    double[][] means = new double[10][784];
    for (int i = 0; i < 4000; i++) {
      float[] image = Fixtures.pixels(train, i);
      for (int p = 0; p < 784; p++) {
        means[train.label(i)][p] += image[p] / 400;
      }
    }
    int right = 0;
    for (int i = 0; i < 1000; i++) {
      float[] image = Fixtures.pixels(test, i);
      int best = -1;
      double least = Double.POSITIVE_INFINITY;
      for (int c = 0; c < 10; c++) {
        double distance = 0;
        for (int p = 0; p < 784; p++) {
          distance += (image[p] - means[c][p]) * (image[p] - means[c][p]);
        }
        if (distance < least) {
          least = distance;
          best = c;
        }
      }
      right += best == test.label(i) ? 1 : 0;
    }
    assertTrue(right > 300 && right < 850, right + " of 1000 right");
  }

  @Test
  void specsNameThem() {
    assertEquals(10_000, DataSource.open("glyphs:train", 1).size());
    assertEquals(2_000, DataSource.open("glyphs:test", 1).size());
    Dataset letters = DataSource.open("glyphs:test/30/letters#2-4", 9);
    assertArrayEquals(new long[] {2, 3, 4}, Datasets.ids(letters));
    assertEquals(26, letters.classes());
    assertEquals(36, DataSource.open("glyphs:test/30/all", 9).classes());
    Fixtures.assertSame(
        digits(Glyphs.Split.TEST, 5, 9), DataSource.open("glyphs:test/5/digits", 9));
    for (String wrong :
        new String[] {"", "tain", "train/", "train/0", "train/x", "test/5/runes", "test/5/all/5"}) {
      Fixtures.refused(() -> DataSource.open("glyphs:" + wrong, 1), "glyphs:", "expected");
    }
  }

  @Test
  void wrongArgumentsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> digits(Glyphs.Split.TRAIN, 0, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> Glyphs.draw(Glyphs.Alphabet.ALL, Glyphs.Split.TRAIN, 1, 1, Double.NaN));
  }
}
