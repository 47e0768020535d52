package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class BatchesTest {
  private static final int EACH = 60;

  private static long[] order(Batches batches) {
    long[] ids = new long[Math.toIntExact(batches.dataset().size())];
    float[] pixels = new float[batches.batchSize() * EACH];
    int[] labels = new int[batches.batchSize()];
    long[] some = new long[batches.batchSize()];
    int done = 0;
    for (long b = 0; b < batches.count(); b++) {
      int n = batches.fill(b, MemorySegment.ofArray(pixels), labels, some);
      for (int i = 0; i < n; i++) {
        Dataset dataset = batches.dataset();
        assertEquals(dataset.label(some[i]), labels[i]);
        assertArrayEquals(
            Fixtures.pixels(dataset, some[i]),
            Arrays.copyOfRange(pixels, i * EACH, (i + 1) * EACH));
      }
      System.arraycopy(some, 0, ids, done, n);
      done += n;
    }
    assertEquals(ids.length, done);
    return ids;
  }

  @Property(tries = 60)
  void everyImageComesOnceWhateverTheBatchSize(
      @ForAll @IntRange(min = 0, max = 40) int size,
      @ForAll @IntRange(min = 1, max = 41) int batch,
      @ForAll long seed,
      @ForAll @IntRange(min = 0, max = 5) int epoch) {
    Dataset dataset = Fixtures.random(size);
    assertArrayEquals(Datasets.ids(dataset), order(Batches.inOrder(dataset, batch)));
    long[] ids = order(Batches.shuffled(dataset, batch, seed, epoch));
    assertArrayEquals(ids, order(Batches.shuffled(dataset, 1, seed, 0).withEpoch(epoch)));
    Arrays.sort(ids);
    assertArrayEquals(LongStream.range(0, size).toArray(), ids);
  }

  @Test
  void epochsAndSeedsDiffer() {
    Dataset dataset = Fixtures.random(50);
    Batches batches = Batches.shuffled(dataset, 7, 1, 1);
    assertFalse(Arrays.equals(order(batches), order(batches.withEpoch(2))));
    assertFalse(Arrays.equals(order(batches), order(Batches.shuffled(dataset, 7, 2, 1))));
    assertEquals(8, batches.count());
  }

  @Test
  void theLastBatchTouchesNothingBeyondItself() {
    Batches batches = Batches.inOrder(Fixtures.random(5), 3);
    float[] pixels = new float[3 * EACH];
    Arrays.fill(pixels, 9f);
    int[] labels = {-1, -1, -1};
    long[] ids = {-1, -1, -1};
    MemorySegment out = MemorySegment.ofArray(pixels);
    assertEquals(2, batches.fill(1, out, labels, ids, new Normalisation(new float[3], ones())));
    assertArrayEquals(new int[] {3, 0, -1}, labels);
    assertArrayEquals(new long[] {3, 4, -1}, ids);
    for (int i = 2 * EACH; i < 3 * EACH; i++) {
      assertEquals(9f, pixels[i]);
    }
  }

  private static float[] ones() {
    return new float[] {1, 1, 1};
  }

  @Test
  void normalisationIsApplied() {
    Dataset dataset = Fixtures.random(4);
    Normalisation by = new Normalisation(new float[] {.1f, .2f, .3f}, new float[] {1, 2, 4});
    float[] pixels = new float[4 * EACH];
    Batches.inOrder(dataset, 4).fill(0, MemorySegment.ofArray(pixels), new int[4], new long[4], by);
    float[] raw = Fixtures.pixels(dataset, 2);
    for (int i = 0; i < EACH; i++) {
      float expected = (raw[i] - by.mean()[i % 3]) / by.std()[i % 3];
      assertEquals(expected, pixels[2 * EACH + i]);
    }
  }

  /** Bytes by their table are the bits of floats that are normalised, and of nothing less. */
  @Test
  void bytesStandForTheFloats() {
    Normalisation by = new Normalisation(new float[] {.1f, .2f, .3f}, new float[] {.3f, 2, 7});
    Dataset bytes = Fixtures.random(5);
    for (Dataset dataset : new Dataset[] {bytes, Subset.range(bytes, 1, 4), new Floats(bytes)}) {
      Batches batches = Batches.shuffled(dataset, 3, 1, 1);
      for (long b = 0; b < batches.count(); b++) {
        int n = batches.size(b);
        float[] floats = new float[n * EACH];
        long[] ids = new long[n];
        batches.fill(b, MemorySegment.ofArray(floats), new int[n], ids, by);
        float[] raw = new float[n * EACH];
        batches.fill(b, MemorySegment.ofArray(raw), new int[n], ids);
        byte[] found = new byte[n * EACH];
        int[] labels = new int[n];
        boolean all = batches.fillBytes(b, MemorySegment.ofArray(found), labels, new long[n]);
        assertEquals(!(dataset instanceof Floats), all);
        for (int i = 0; i < n * EACH; i++) {
          int c = i % 3;
          assertEquals((raw[i] - by.mean()[c]) / by.std()[c], floats[i]);
          if (all) {
            assertEquals(floats[i], by.ofBytes()[c * 256 + (found[i] & 0xff)]);
            assertEquals(dataset.label(ids[i / EACH] - dataset.id(0)), labels[i / EACH]);
          }
        }
      }
    }
    MemorySegment room = MemorySegment.ofArray(new byte[3 * EACH - 1]);
    Batches batches = Batches.inOrder(bytes, 3);
    assertThrows(
        IllegalArgumentException.class, () -> batches.fillBytes(0, room, new int[3], new long[3]));
  }

  /** The same images, of which it does not tell the bytes. */
  private record Floats(Dataset of) implements Forwarding {}

  @Test
  void tooLittleRoomIsRefused() {
    Batches batches = Batches.inOrder(Fixtures.random(5), 3);
    MemorySegment room = MemorySegment.ofArray(new float[3 * EACH]);
    MemorySegment less = MemorySegment.ofArray(new float[3 * EACH - 1]);
    assertThrows(
        IllegalArgumentException.class, () -> batches.fill(0, less, new int[3], new long[3]));
    assertThrows(
        IllegalArgumentException.class, () -> batches.fill(0, room, new int[2], new long[3]));
    assertThrows(
        IllegalArgumentException.class, () -> batches.fill(0, room, new int[3], new long[2]));
    assertThrows(
        IndexOutOfBoundsException.class, () -> batches.fill(2, room, new int[3], new long[3]));
    Normalisation grey = Normalisation.identity(1);
    assertThrows(
        IllegalArgumentException.class, () -> batches.fill(0, room, new int[3], new long[3], grey));
    assertThrows(IllegalArgumentException.class, () -> Batches.inOrder(Fixtures.random(5), 0));
  }

  @Test
  void whatIsDrawnByASeedIsAnywhereInTheEpochsOfThatSeed() {
    int size = 2000;
    int tenth = size / 10;
    Dataset data = Fixtures.random(size, new ImageShape(1, 1, 1), 4, 1);
    Dataset byClass =
        Datasets.concatenate(
            "by class", IntStream.range(0, 4).mapToObj(c -> Datasets.ofClasses(data, c)).toList());
    for (long seed = 1; seed <= 3; seed++) {
      requireAnywhere(data, Datasets.ids(Datasets.split(data, 0.1, seed).first()), seed);
      Dataset shuffled = Datasets.shuffled(data, seed);
      requireAnywhere(data, Datasets.ids(Subset.range(shuffled, 0, tenth - 1)), seed);
      requireAnywhere(data, LabelNoise.of(0.1).apply(data, 0, seed).manipulatedIds(), seed);
      requireAnywhere(data, LabelNoise.of(1).apply(data, 0.1, seed).knownIds(), seed);
      requireAnywhere(data, backdoor(0, tenth, true).apply(data, 0, seed).manipulatedIds(), seed);
      // All of the other classes come before the target's.
      Manipulation last = backdoor(3, tenth, false);
      requireAnywhere(byClass, last.apply(byClass, 0, seed).manipulatedIds(), seed);
    }
  }

  private static BadNets backdoor(int target, int count, boolean includeTarget) {
    return new BadNets(target, Amount.count(count), 1, BadNets.Corner.TOP_LEFT, 1, includeTarget);
  }

  /** As many of a tenth as by chance are in the first tenth of every epoch. */
  private static void requireAnywhere(Dataset data, long[] drawn, long seed) {
    int tenth = drawn.length;
    assertEquals(data.size(), 10L * tenth);
    // Hypergeometric.
    double expected = tenth / 10.0;
    double deviation = Math.sqrt(expected * 0.9 * 0.9 * data.size() / (data.size() - 1.0));
    for (int epoch = 0; epoch < 8; epoch++) {
      long[] first = new long[tenth];
      Batches.shuffled(data, tenth, seed, epoch)
          .fill(0, MemorySegment.ofArray(new float[tenth]), new int[tenth], first);
      Set<Long> both = new HashSet<>(LongStream.of(first).boxed().toList());
      both.retainAll(LongStream.of(drawn).boxed().toList());
      assertEquals(expected, both.size(), 5 * deviation, "seed " + seed + ", epoch " + epoch);
    }
  }

  @Test
  void fillingAllocatesNothing() {
    Dataset data = BadNets.of(0, Amount.count(50)).apply(Fixtures.random(400), 1, 1).dataset();
    Batches batches = Batches.shuffled(Datasets.shuffled(data, 1), 40, 1, 1);
    int[] labels = new int[40];
    long[] ids = new long[40];
    Normalisation by = Normalisation.of(data);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocate(40L * EACH * 4, 64);
      long sum = 0;
      // Until the compiler has replaced the interpreter, range checks and segments are allocated.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 300 && least > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int b = 0; b < 10; b++) {
          sum += batches.fill(b, pixels, labels, ids, by);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertTrue(sum > 0);
      assertTrue(least < 1000, least + " bytes in 10 batches of 40 images");
    }
  }
}
