package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What reports draw, before it is drawn. */
class PortraitTest {
  /** Three clouds far apart, in ten dimensions. */
  private static float[][] clouds() {
    Random random = new Random(1);
    float[][] features = new float[90][10];
    for (int i = 0; i < 90; i++) {
      for (int d = 0; d < 10; d++) {
        features[i][d] = (float) random.nextGaussian() + (d == i / 30 ? 30 : 0);
      }
    }
    return features;
  }

  private static double distance(float[] one, float[] other) {
    return Math.hypot(one[0] - other[0], one[1] - other[1]);
  }

  @Test
  void neighboursStayNeighbours() {
    float[][] points = Embedding.of(clouds(), 1);
    assertEquals(90, points.length);
    int right = 0;
    for (int i = 0; i < 90; i++) {
      int nearest = i == 0 ? 1 : 0;
      for (int j = 0; j < 90; j++) {
        if (j != i && distance(points[i], points[j]) < distance(points[i], points[nearest])) {
          nearest = j;
        }
      }
      right += nearest / 30 == i / 30 ? 1 : 0;
    }
    assertTrue(right >= 88, right + " of 90");
    assertTrue(Arrays.deepEquals(points, Embedding.of(clouds(), 1)), "the same again");
  }

  @Test
  void tooFewSamplesHaveNoEmbedding() {
    assertEquals(0, Embedding.of(new float[12][4], 1).length);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aTurnedPictureIsTurnedBack(boolean mirrored) {
    Random random = new Random(2);
    float[][] like = new float[20][2];
    float[][] turned = new float[20][2];
    for (int i = 0; i < 20; i++) {
      like[i][0] = (float) random.nextGaussian();
      like[i][1] = (float) random.nextGaussian();
      double x = like[i][0] * (mirrored ? -1 : 1);
      double y = like[i][1];
      turned[i][0] = (float) (Math.cos(2) * x - Math.sin(2) * y + 5);
      turned[i][1] = (float) (Math.sin(2) * x + Math.cos(2) * y - 7);
    }
    float[][] back = Embedding.aligned(turned, like);
    for (int i = 0; i < 20; i++) {
      assertArrayEquals(like[i], back[i], 1e-5f);
    }
  }

  @Test
  void positionsAreSpreadEvenly() {
    assertArrayEquals(new long[] {0, 1, 2}, Portrait.spread(3, 12));
    assertArrayEquals(new long[] {0, 25, 50, 75}, Portrait.spread(100, 4));
    assertEquals(0, Portrait.spread(0, 4).length);
  }

  @Test
  void figuresAreReducedInTheirStructure() throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    JsonNode one = mapper.readTree("{'a': 1, 'b': {'c': 4}, 'only': 1}".replace('\'', '"'));
    JsonNode two = mapper.readTree("{'a': 3, 'b': {'c': 2}}".replace('\'', '"'));
    JsonNode mean = Figures.reduce(List.of(two, one), Figures::mean);
    assertEquals("{\"a\":2.0,\"b\":{\"c\":3.0}}", mean.toString());
    assertEquals(
        Math.sqrt(2), Figures.reduce(List.of(two, one), Figures::deviation).get("a").asDouble());
    assertEquals("{\"a\":2.0,\"b\":{\"c\":2.0}}", Figures.gap(two, one).toString());
    JsonNode gap =
        mapper.readTree(
            "{'unlearningAccuracy': 0.1, 'testAccuracy': 0.2, 'attackSuccessRate': 9}"
                .replace('\'', '"'));
    assertEquals(0.15, Figures.averageGap(gap).orElseThrow(), 1e-12);
  }
}
