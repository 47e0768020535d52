package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ViewsTest {
  private final Dataset base = Fixtures.random(20);

  @Test
  void aSubsetReadsThroughInItsOwnOrder() {
    Dataset subset = Subset.of(base, new long[] {7, 2, 19});
    assertEquals(3, subset.size());
    assertArrayEquals(new long[] {7, 2, 19}, Datasets.ids(subset));
    assertArrayEquals(new int[] {3, 2, 3}, Fixtures.labels(subset));
    assertArrayEquals(Fixtures.pixels(base, 19), Fixtures.pixels(subset, 2));
    assertThrows(IndexOutOfBoundsException.class, () -> subset.label(3));
    assertThrows(IndexOutOfBoundsException.class, () -> subset.id(-1));
    assertThrows(IndexOutOfBoundsException.class, () -> Subset.of(base, new long[] {20}));
    assertThrows(IllegalArgumentException.class, () -> Subset.of(base, new long[] {1, 1}));
  }

  @Test
  void aRangeIncludesBothEnds() {
    assertArrayEquals(new long[] {3, 4, 5}, Datasets.ids(Subset.range(base, 3, 5)));
    assertThrows(IndexOutOfBoundsException.class, () -> Subset.range(base, 3, 20));
    assertThrows(IndexOutOfBoundsException.class, () -> Subset.range(base, 4, 3));
  }

  @Test
  void idsSurviveViewsOfViews() {
    Dataset odd = Subset.of(base, LongStream.range(0, 10).map(i -> 2 * i + 1).toArray());
    Dataset shuffled = Datasets.shuffled(odd, 5);
    Dataset some = Subset.ofIds(shuffled, new long[] {19, 1, 7});
    assertArrayEquals(new long[] {19, 1, 7}, Datasets.ids(some));
    assertArrayEquals(Fixtures.pixels(base, 7), Fixtures.pixels(some, 2));
    Fixtures.refused(() -> Subset.ofIds(odd, new long[] {1, 4}), "unknown id 4");
    Fixtures.refused(() -> Subset.ofIds(odd, new long[] {1, 1}), "id 1 twice");
  }

  @Test
  void withoutKeepsTheOthersInOrder() {
    Dataset rest = Datasets.without(Subset.range(base, 0, 5), new long[] {4, 0});
    assertArrayEquals(new long[] {1, 2, 3, 5}, Datasets.ids(rest));
    assertEquals(0, Datasets.without(base, Datasets.ids(base)).size());
    Fixtures.refused(() -> Datasets.without(base, new long[] {20}), "unknown id 20");
    Fixtures.refused(() -> Datasets.without(base, new long[] {2, 2}), "id 2 twice");
  }

  @Test
  void ofClassesKeepsThoseClasses() {
    assertArrayEquals(
        new long[] {0, 3, 4, 7}, Datasets.ids(Datasets.ofClasses(Subset.range(base, 0, 7), 3, 0)));
  }

  @Test
  void concatenatedPartsKeepUniqueIds() {
    Dataset first = Subset.of(base, new long[] {19, 3});
    Dataset both = Datasets.concatenate("both", List.of(first, Subset.range(base, 0, 1), base));
    assertEquals(24, both.size());
    assertArrayEquals(new long[] {19, 3, 20, 21, 22, 23}, Arrays.copyOf(Datasets.ids(both), 6));
    assertEquals(24, LongStream.of(Datasets.ids(both)).distinct().count());
    assertArrayEquals(Fixtures.pixels(base, 1), Fixtures.pixels(both, 3));
    assertArrayEquals(Fixtures.pixels(base, 19), Fixtures.pixels(both, 23));
    assertEquals(base.label(1), both.label(3));
    Dataset other = Fixtures.random(2, new ImageShape(5, 4, 1), 4, 1);
    Fixtures.refused(
        () -> Datasets.concatenate("x", List.of(base, other)), "images of 5×4×3", "5×4×1");
    Dataset fewer = Fixtures.random(2, new ImageShape(5, 4, 3), 2, 1);
    Fixtures.refused(() -> Datasets.concatenate("x", List.of(base, fewer)), "[0, 1, 2, 3]");
  }

  @Test
  void pixelsStayWithinTheirPlace() {
    float[] room = new float[64];
    Arrays.fill(room, 7f);
    base.pixels(3, MemorySegment.ofArray(room), 2);
    float[] image = Fixtures.pixels(base, 3);
    assertArrayEquals(image, Arrays.copyOfRange(room, 2, 62));
    assertArrayEquals(new float[] {7, 7, 7, 7}, new float[] {room[0], room[1], room[62], room[63]});
    MemorySegment out = MemorySegment.ofArray(room);
    assertThrows(IndexOutOfBoundsException.class, () -> base.pixels(0, out, 5));
    assertThrows(IndexOutOfBoundsException.class, () -> base.pixels(20, out, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> base.pixels(0, out, -1));
  }

  @Property(tries = 50)
  void aShuffleIsAPermutationFixedByItsSeed(
      @ForAll long seed, @ForAll @IntRange(min = 0, max = 300) int size) {
    Dataset dataset = Fixtures.random(size, new ImageShape(1, 1, 1), 3, 1);
    long[] ids = Datasets.ids(Datasets.shuffled(dataset, seed));
    assertArrayEquals(ids, Datasets.ids(Datasets.shuffled(dataset, seed)));
    Arrays.sort(ids);
    assertArrayEquals(LongStream.range(0, size).toArray(), ids);
  }

  @Property(tries = 50)
  void aSplitIsAPartition(
      @ForAll long seed,
      @ForAll @IntRange(min = 0, max = 300) int size,
      @ForAll @DoubleRange(min = 0, max = 1) double fraction) {
    Dataset dataset = Fixtures.random(size, new ImageShape(1, 1, 1), 3, 1);
    Datasets.Split split = Datasets.split(dataset, fraction, seed);
    assertEquals(Math.round(fraction * size), split.first().size());
    long[] first = Datasets.ids(split.first());
    long[] second = Datasets.ids(split.second());
    assertArrayEquals(second, Datasets.ids(Datasets.without(dataset, first)));
    long[] sorted = first.clone();
    Arrays.sort(sorted);
    assertArrayEquals(sorted, first);
  }

  @Test
  void everyOrderIsAsLikely() {
    Dataset three = Subset.range(base, 0, 2);
    int[] seen = new int[27];
    int draws = 6000;
    for (int seed = 0; seed < draws; seed++) {
      long[] ids = Datasets.ids(Datasets.shuffled(three, seed));
      seen[(int) (9 * ids[0] + 3 * ids[1] + ids[2])]++;
    }
    // Six orders, 1000 each expected; chi-square with 5 degrees of freedom, p = 1e-6.
    double chi = 0;
    int orders = 0;
    for (int count : seen) {
      if (count > 0) {
        orders++;
        chi += (count - 1000.0) * (count - 1000.0) / 1000;
      }
    }
    assertEquals(6, orders);
    assertTrue(chi < 36, "chi-square " + chi);
  }

  @Test
  void seedsDiffer() {
    assertNotEquals(
        Arrays.toString(Datasets.ids(Datasets.shuffled(base, 1))),
        Arrays.toString(Datasets.ids(Datasets.shuffled(base, 2))));
  }

  @Test
  void aChecksumIsOfIdsLabelsAndPixelsInTheirOrder() throws NoSuchAlgorithmException {
    Dataset three = Fixtures.random(3, new ImageShape(2, 1, 1), 4, 9);
    ByteBuffer bytes = ByteBuffer.allocate(100).put("2×1×1 4 3\n".getBytes(StandardCharsets.UTF_8));
    for (int i = 0; i < 3; i++) {
      bytes.putLong(three.id(i)).putInt(three.label(i));
      for (float value : Fixtures.pixels(three, i)) {
        bytes.order(ByteOrder.nativeOrder()).putFloat(value).order(ByteOrder.BIG_ENDIAN);
      }
    }
    byte[] all = Arrays.copyOf(bytes.array(), bytes.position());
    String expected = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(all));
    assertEquals(expected, Datasets.sha256(three));
    assertNotEquals(expected, Datasets.sha256(Subset.of(three, new long[] {0, 2, 1})));
    assertNotEquals(expected, Datasets.sha256(Subset.range(three, 0, 1)));
  }
}
