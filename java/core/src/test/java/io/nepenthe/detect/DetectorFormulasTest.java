package io.nepenthe.detect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** What each detector computes, on features and images made by hand. */
class DetectorFormulasTest {
  private static final ImageShape DOT = new ImageShape(1, 1, 1);

  /** Images of no interest with these labels. */
  private static Dataset labelled(int classes, int... labels) {
    List<String> names = IntStream.range(0, classes).mapToObj(Integer::toString).toList();
    List<float[]> images = IntStream.range(0, labels.length).mapToObj(_ -> new float[1]).toList();
    return new HeldImages("labelled", DOT, names, images, labels);
  }

  /** Along (3, 4)/5 the class is spread widely, along (−4, 3)/5 hardly. */
  @Test
  void aSpectralSignatureIsTheSquareAlongTheWidestDirection() {
    double[] wide = {-6, -1, 0, 1, 2, 4};
    double[] narrow = {0.1, -0.1, 0.2, -0.2, 0.1, -0.1};
    double[][] features = new double[8][];
    int[] labels = {1, 0, 0, 0, 2, 0, 0, 0};
    int next = 0;
    for (int i = 0; i < 8; i++) {
      double[] alone = {100 * i, -7};
      features[i] = alone;
      if (labels[i] == 0) {
        features[i] =
            new double[] {
              7 + 0.6 * wide[next] - 0.8 * narrow[next], -2 + 0.8 * wide[next] + 0.6 * narrow[next]
            };
        next++;
      }
    }
    Detection found = SpectralSignatures.of(features, labelled(3, labels), 0.25);
    double[] expected = {0, 36, 1, 0, 0, 1, 4, 16};
    assertArrayEquals(expected, found.scores(), 0.2);
    // A quarter of six is one and a half: two; none of a class of one.
    boolean[] flagged = {false, true, false, false, false, false, false, true};
    assertArrayEquals(flagged, found.flagged());
  }

  @Test
  void principalCoordinatesAreAlongTheEigenvectorsByVariance() {
    SplittableRandom random = new SplittableRandom(3);
    double[][] rows = new double[40][3];
    double[] spread = {0.5, 3, 1};
    for (double[] row : rows) {
      Arrays.setAll(row, j -> 5 + spread[j] * random.nextGaussian());
    }
    int[] some = IntStream.range(5, 40).toArray();
    double[][] centred = Features.centred(rows, some);
    for (int j = 0; j < 3; j++) {
      int column = j;
      assertEquals(0, Arrays.stream(centred).mapToDouble(r -> r[column]).sum(), 1e-12);
      assertEquals(rows[5][j] - rows[39][j], centred[0][j] - centred[34][j], 1e-12);
    }
    double[][] all = Features.principal(centred, 10);
    double[][] two = Features.principal(centred, 2);
    assertEquals(3, all[0].length);
    double last = Double.POSITIVE_INFINITY;
    for (int k = 0; k < 3; k++) {
      double variance = 0;
      for (int n = 0; n < all.length; n++) {
        variance += all[n][k] * all[n][k];
        for (int other = 0; other < 2; other++) {
          assertEquals(all[n][other], two[n][other], 1e-12);
        }
      }
      assertTrue(variance < last, "variances fall");
      last = variance;
      for (int other = 0; other < k; other++) {
        double product = 0;
        for (double[] row : all) {
          product += row[k] * row[other];
        }
        assertEquals(0, product, 1e-8, "uncorrelated");
      }
    }
    for (int n = 0; n < all.length; n++) {
      assertEquals(length(centred[n]), length(all[n]), 1e-10, "a rotation");
    }
  }

  private static double length(double... v) {
    return Math.sqrt(Arrays.stream(v).map(x -> x * x).sum());
  }

  @Property(tries = 20)
  void theSmallerClusterIsFlagged(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int small = random.nextInt(2, 8);
    int large = random.nextInt(9, 15);
    int[] labels = new int[2 * (small + large)];
    boolean[] of = new boolean[labels.length];
    double[][] features = new double[labels.length][];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i % 2;
      // The suspects of class 0 are on the other side than those of class 1.
      of[i] = i / 2 < small;
      double centre = of[i] == (i % 2 == 0) ? 10 : 0;
      features[i] = new double[] {centre + random.nextDouble(), random.nextDouble(), 3};
    }
    Detection found = ActivationClustering.of(features, labelled(2, labels), seed);
    assertArrayEquals(of, found.flagged());
    double share = (double) small / (small + large);
    for (int i = 0; i < labels.length; i++) {
      // One spread closer, about, times how far from half.
      assertEquals((of[i] ? 1 : -1) * (0.5 - share), found.scores()[i], 0.2 * (0.5 - share) + 1e-9);
    }
  }

  @Test
  void alikeImagesAreNoCluster() {
    Detection found =
        ActivationClustering.of(new double[][] {{1, 2}, {1, 2}, {1, 2}}, labelled(2, 0, 0, 0), 1);
    assertArrayEquals(new double[3], found.scores());
  }

  @Property(tries = 20)
  void theSpectrumIsAnOrthonormalCosineTransform(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    ImageShape shape =
        new ImageShape(random.nextInt(1, 6), random.nextInt(1, 6), random.nextInt(1, 4));
    int height = shape.height();
    int width = shape.width();
    int channels = shape.channels();
    float[] image = new float[height * width * channels];
    for (int i = 0; i < image.length; i++) {
      image[i] = random.nextFloat();
    }
    float[] found = FrequencyDetector.spectrum(image, shape);
    for (int c = 0; c < channels; c++) {
      for (int u = 0; u < height; u++) {
        for (int v = 0; v < width; v++) {
          double sum = 0;
          for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
              sum +=
                  image[(y * width + x) * channels + c]
                      * Math.cos(Math.PI * (2 * y + 1) * u / (2.0 * height))
                      * Math.cos(Math.PI * (2 * x + 1) * v / (2.0 * width));
            }
          }
          double norm =
              Math.sqrt((u == 0 ? 1.0 : 2.0) / height) * Math.sqrt((v == 0 ? 1.0 : 2.0) / width);
          assertEquals(
              Math.log(1 + Math.abs(norm * sum)), found[(u * width + v) * channels + c], 1e-6);
        }
      }
    }
  }

  @Test
  void aQueryIsTheImageAndItsTransformsUnderEveryOtherLabel() {
    ImageShape shape = new ImageShape(3, 3, 1);
    List<String> names = List.of("0", "1", "2", "3");
    float[] image = {1, 0, 0, 0.5f, 0, 0, 0, 0, 0.25f};
    Dataset affected =
        new HeldImages("affected", shape, names, List.of(new float[9], image), new int[2]);
    DeltaInfluence.Options options = new DeltaInfluence.Options(300, 0, 5, true, 3, 64);
    for (int attack = 0; attack < 4; attack++) {
      List<Transform> transforms = new ArrayList<>();
      Dataset queries = DeltaInfluence.queries(affected, 1, attack, options, transforms);
      assertEquals(301, queries.size());
      assertEquals(attack, queries.label(0));
      assertArrayEquals(image, HeldImages.pixels(queries, 0));
      int[] counts = new int[4];
      for (int k = 1; k <= 300; k++) {
        counts[queries.label(k)]++;
        assertArrayEquals(transforms.get(k - 1).apply(image, shape), HeldImages.pixels(queries, k));
      }
      for (int label = 0; label < 4; label++) {
        // 300 draws of a third: deviation 8.2; six of them.
        double expected = label == attack ? 0 : 100;
        assertEquals(expected, counts[label], label == attack ? 0 : 6 * 8.2);
      }
      assertEquals(5, transforms.stream().map(Transform::getClass).distinct().count());
    }
    for (int wrong : new int[] {-1, 4}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> DeltaInfluence.queries(affected, 1, wrong, options, new ArrayList<>()));
    }
  }

  @Test
  void anImageIsWrittenWhereItIsAskedFor() {
    Dataset two =
        new HeldImages(
            "two",
            new ImageShape(1, 2, 1),
            List.of("0"),
            List.of(new float[] {1, 2}, new float[] {3, 4}),
            new int[2]);
    float[] out = new float[7];
    two.pixels(1, MemorySegment.ofArray(out), 4);
    two.pixels(0, MemorySegment.ofArray(out), 1);
    assertArrayEquals(new float[] {0, 1, 2, 0, 3, 4, 0}, out);
  }

  @Test
  void optionsAreWithinTheirLimits() {
    int most = DeltaInfluence.MOST_TRANSFORMS;
    for (int[] good : new int[][] {{1, 0, 1}, {most, most - 1, 1}}) {
      new DeltaInfluence.Options(good[0], 0, good[1], true, 0, good[2]);
    }
    for (int[] wrong :
        new int[][] {{0, 0, 1}, {most + 1, 0, 1}, {5, -1, 1}, {5, 5, 1}, {5, 0, 0}}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new DeltaInfluence.Options(wrong[0], 0, wrong[1], true, 0, wrong[2]),
          Arrays.toString(wrong));
    }
    for (double wrong : new double[] {Double.NaN, Double.NEGATIVE_INFINITY}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new DeltaInfluence.Options(5, wrong, 0, true, 0, 1));
    }
  }

  @Property(tries = 50)
  void theRatesAreThoseOfACount(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int n = random.nextInt(2, 30);
    double[] scores = random.ints(n, 0, 8).asDoubleStream().toArray();
    boolean[] tampered = new boolean[n];
    for (int i = 0; i < n; i++) {
      tampered[i] = random.nextBoolean();
    }
    tampered[0] = true;
    tampered[1] = false;
    int count = random.nextInt(n + 1);
    Detection found = Detection.ofHighest(scores, count);
    assertEquals(count, found.count());
    double pairs = 0;
    double won = 0;
    int all = 0;
    int hits = 0;
    for (int i = 0; i < n; i++) {
      all += tampered[i] ? 1 : 0;
      hits += tampered[i] && found.flagged()[i] ? 1 : 0;
      int before = 0;
      for (int j = 0; j < n; j++) {
        before += scores[j] > scores[i] || scores[j] == scores[i] && j < i ? 1 : 0;
        if (tampered[i] && !tampered[j]) {
          pairs++;
          won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
        }
      }
      assertEquals(before < count, found.flagged()[i], "the highest, of equal ones the first");
      assertEquals(i, found.order()[before]);
    }
    assertEquals(won / pairs, found.auc(tampered), 1e-12);
    assertEquals((double) hits / all, found.recall(tampered));
    assertEquals((double) hits / all, found.recallAt((double) count / n, tampered));
    if (count > 0) {
      assertEquals((double) hits / count, found.precision(tampered));
    }
  }
}
