package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertLinesMatch;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.ChildJvm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdxTest {
  @TempDir private Path folder;

  @Test
  void readsTheBytesOfTheFormat() throws IOException {
    Path images = folder.resolve("x-images.idx3");
    Path labels = folder.resolve("x-labels.idx1");
    Files.write(
        images,
        ByteBuffer.allocate(16 + 4)
            .putInt(0x803)
            .putInt(2)
            .putInt(1)
            .putInt(2)
            .put(new byte[] {0, 51, (byte) 255, 102})
            .array());
    Files.write(
        labels, ByteBuffer.allocate(10).putInt(0x801).putInt(2).put(new byte[] {3, 1}).array());
    Dataset dataset = DataSource.open("idx:" + images + "," + labels, 0);
    assertEquals(new ImageShape(1, 2, 1), dataset.image());
    assertEquals(List.of("0", "1", "2", "3"), dataset.classNames());
    assertArrayEquals(new int[] {3, 1}, Fixtures.labels(dataset));
    assertArrayEquals(new float[] {0, 0.2f}, Fixtures.pixels(dataset, 0));
    assertArrayEquals(new float[] {1, 0.4f}, Fixtures.pixels(dataset, 1));
    Fixtures.assertSame(dataset, DataSource.open("idx:" + images, 0));
  }

  @Test
  void writesWhatItReads() throws IOException {
    for (int channels : new int[] {1, 3}) {
      Dataset dataset = Fixtures.random(50, new ImageShape(7, 3, channels), 9, 2);
      for (String suffix : new String[] {"", ".gz"}) {
        Path images = folder.resolve("new/a" + channels + "-images.idx" + suffix);
        Path labels = folder.resolve("new/a" + channels + "-labels.idx" + suffix);
        Idx.write(dataset, images, labels);
        Fixtures.assertSame(dataset, DataSource.open("idx:" + images, 0));
        byte[] first = Files.readAllBytes(images);
        assertEquals(suffix.isEmpty() ? 0 : 0x1f, first[0]);
        Idx.write(dataset, images, labels);
        assertArrayEquals(first, Files.readAllBytes(images));
      }
    }
    try (Stream<Path> files = Files.list(folder.resolve("new"))) {
      assertEquals(8, files.count(), "no temporary file is left");
    }
  }

  @Test
  void limitsHold() {
    Path images = folder.resolve("images");
    Path labels = folder.resolve("labels");
    Idx.write(Fixtures.random(10, new ImageShape(4, 4, 1), 5, 1), images, labels);
    Limits limits = new Limits(160, 100, 10, 4, 5, 10);
    assertEquals(10, Idx.read(images, labels, limits).size());
    Fixtures.refused(() -> Idx.read(images, labels, limits.withTotalBytes(159)), "159 bytes");
    Fixtures.refused(
        () -> Idx.read(images, labels, new Limits(160, 100, 9, 4, 5, 10)), "0 to 9 images", "10");
    Fixtures.refused(
        () -> Idx.read(images, labels, new Limits(160, 100, 10, 3, 5, 10)), "3 pixels", "4×4");
    Fixtures.refused(
        () -> Idx.read(images, labels, new Limits(160, 100, 10, 4, 4, 10)), "below 4", "found 4");
  }

  @Test
  void aLyingHeaderIsRefusedBeforeMemoryIsTaken() throws IOException {
    Path images = folder.resolve("images");
    for (int[] dimensions :
        new int[][] {{1 << 30, 28, 28}, {-1, 28, 28}, {1, 8192, 8192}, {2, 1, 1}, {1, 0, 5}}) {
      ByteBuffer header = ByteBuffer.allocate(17).putInt(0x803);
      for (int dimension : dimensions) {
        header.putInt(dimension);
      }
      Files.write(images, header.array());
      Fixtures.refused(() -> Idx.read(images, images), images.toString(), "expected", "found");
    }
  }

  @Test
  void messagesSayWhatIsWrong() throws IOException {
    Dataset dataset = Fixtures.random(10, new ImageShape(2, 2, 1), 3, 2);
    Path images = folder.resolve("images");
    Path labels = folder.resolve("labels");
    Idx.write(dataset, images, labels);
    Idx.write(Subset.range(dataset, 0, 4), folder.resolve("five"), folder.resolve("few"));
    byte[] bytes = Files.readAllBytes(images);

    Fixtures.refused(() -> Idx.read(folder.resolve("none"), labels), "none", "no such file");
    Fixtures.refused(() -> Idx.read(folder, labels), folder.toString(), "a folder");
    Fixtures.refused(() -> Idx.read(labels, images), "labels", "0 0 8 3", "0 0 8 1");
    Fixtures.refused(() -> Idx.read(images, folder.resolve("few")), "few", "10 labels", "5 labels");
    Files.write(images, Arrays.copyOf(bytes, bytes.length - 1));
    Fixtures.refused(() -> Idx.read(images, labels), "40 bytes", "39");
    Files.write(images, Arrays.copyOf(bytes, bytes.length + 2));
    Fixtures.refused(() -> Idx.read(images, labels), "nothing after 10 images", "2 more bytes");
    Files.delete(labels);
    Fixtures.refused(() -> DataSource.open("idx:" + images, 0), "idx:IMAGES,LABELS", "no file");
  }

  @Test
  void idListsAreReadAndWritten() throws IOException {
    Path file = folder.resolve("ids.txt");
    long[] ids = {5, 0, Long.MAX_VALUE};
    IdList.write(file, ids);
    assertEquals("5\n0\n9223372036854775807\n", Files.readString(file));
    assertArrayEquals(ids, IdList.read(file));
    Files.writeString(file, " 3\r\n\r\n2");
    assertArrayEquals(new long[] {3, 2}, IdList.read(file));
    assertArrayEquals(
        new long[] {3, 2}, Datasets.ids(DataSource.open("glyphs:test/4#@" + file, 1)));
    for (String wrong : new String[] {"-1", "1.5", "9223372036854775808", "x", "1 2"}) {
      Files.writeString(file, "7\n" + wrong);
      Fixtures.refused(() -> IdList.read(file), file.toString(), "line 2", wrong);
    }
  }

  /** Of any length within what there can be: by chunks, and no further than needed. */
  @Test
  void longIdListsAreReadAsFarAsTheyMake() throws IOException {
    Path file = folder.resolve("ids.txt");
    long[] ids = LongStream.range(0, 50_000).map(i -> i * i).toArray();
    IdList.write(file, ids);
    assertArrayEquals(ids, IdList.read(file));
    assertArrayEquals(ids, IdList.read(file, ids.length));
    Fixtures.refused(() -> IdList.read(file, 49_999), file.toString(), "at most 49999 ids", "more");
    Files.write(file, new byte[200_000]);
    Fixtures.refused(() -> IdList.read(file), file + ", line 1", "an id");
    Files.writeString(file, "1\n".repeat(4_000_000));
    long before = Memories.allocated();
    Fixtures.refused(() -> DataSource.open("glyphs:test/4#@" + file, 1), "at most 4 ids");
    long used = Memories.allocated() - before;
    assertTrue(used < 1 << 20, used + " bytes for four ids");
  }

  /** Prints what is wrong with a list. */
  static final class Lister {
    public static void main(String[] arguments) {
      try {
        IdList.read(Path.of(arguments[0]));
      } catch (DataException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  @Test
  void aListThatMemoryCannotHoldIsNamed() throws Exception {
    Path file = folder.resolve("ids.txt");
    Files.writeString(file, "1\n".repeat(8_000_000));
    Map<String, String> small = Map.of("JDK_JAVA_OPTIONS", "-Xmx16m");
    ChildJvm.Outcome outcome =
        ChildJvm.finish(ChildJvm.start(Lister.class, List.of(), small, file.toString()));
    assertEquals(0, outcome.status(), outcome.output());
    assertLinesMatch(
        List.of(
            ">> NOTE: Picked up >>",
            Pattern.quote(file + ": expected ids that memory can hold (-Xmx sets the limit), found")
                + " more than [0-9]+ in 16000000 bytes"),
        outcome.output().lines().toList());
  }

  @Test
  void subsetsAreParsedStrictly() {
    for (String wrong : new String[] {"#", "#3", "#3-", "#4-3", "#0-4", "#a-b", "#-1-2"}) {
      Fixtures.refused(() -> DataSource.open("glyphs:test/4" + wrong, 1), "glyphs:test/4" + wrong);
    }
    for (String wrong : new String[] {"", "glyphs", "glyphs:", "file:/x", "idx:"}) {
      Fixtures.refused(() -> DataSource.open(wrong, 1), "expected", "found");
    }
    Fixtures.refused(() -> DataSource.open("idx:\0", 1), "expected");
  }
}
