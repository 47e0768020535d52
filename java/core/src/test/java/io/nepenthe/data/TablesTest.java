package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TablesTest {
  @TempDir private Path folder;

  private Dataset csv(String text) throws IOException {
    Path file = folder.resolve("x.csv");
    Files.writeString(file, text);
    return DataSource.open("csv:" + file, 0);
  }

  private void refusedCsv(String text, String... words) {
    Fixtures.refused(() -> csv(text), words);
  }

  @Test
  void bytesWithoutHeader() throws IOException {
    Dataset dataset = csv("3,0,51,102,255\n0,1,2,3,4\r\n\n1,5,6,7,8");
    assertEquals(new ImageShape(2, 2, 1), dataset.image());
    assertEquals(4, dataset.classes());
    assertArrayEquals(new int[] {3, 0, 1}, Fixtures.labels(dataset));
    assertArrayEquals(new float[] {0, 0.2f, 0.4f, 1}, Fixtures.pixels(dataset, 0));
  }

  @Test
  void fractionsWithHeaderAndWords() throws IOException {
    Dataset dataset =
        csv("\ufeffwidth,length,\"Class\"\n0.5,1e-1,\"lily\"\n+.25,1.0,iris\n0, 1 ,lily\n");
    assertEquals(new ImageShape(1, 2, 1), dataset.image());
    assertEquals(List.of("iris", "lily"), dataset.classNames());
    assertArrayEquals(new int[] {1, 0, 1}, Fixtures.labels(dataset));
    assertArrayEquals(new float[] {0.5f, 0.1f}, Fixtures.pixels(dataset, 0));
    assertArrayEquals(new float[] {0.25f, 1}, Fixtures.pixels(dataset, 1));
  }

  @Test
  void wordsWithoutHeader() throws IOException {
    Dataset dataset = csv("b,0.5,1\na,0,0\n");
    assertEquals(2, dataset.size());
    assertArrayEquals(new int[] {1, 0}, Fixtures.labels(dataset));
  }

  @Test
  void numberedColumnsAfterTheLabelsNameAreAHeader() throws IOException {
    // As a data frame without names of columns is written.
    for (String header : new String[] {"label,0,1,2,3", "Target,1,2,3,4"}) {
      Dataset dataset = csv(header + "\n3,9,0,0,255\n1,0,0,0,0\n");
      assertEquals(2, dataset.size());
      assertArrayEquals(new int[] {3, 1}, Fixtures.labels(dataset));
    }
    Dataset letters = csv("y,0,2,1,3\nx,1,2,3,4\n");
    assertEquals(List.of("x", "y"), letters.classNames());
  }

  @Test
  void aFilesNameMayHaveANumberSign() throws IOException {
    Path file = folder.resolve("a b#2 #x.csv");
    Files.writeString(file, "1,2,3\n0,4,5\n");
    Path ids = folder.resolve("ids#1.txt");
    Files.writeString(ids, "1\n");
    String spec = "csv:" + file;
    assertEquals(2, DataSource.open(spec, 0).size());
    assertEquals(List.of(file), DataSource.files(spec));
    assertEquals(1, DataSource.open(spec + "#1-1", 0).size());
    assertEquals(List.of(file), DataSource.files(spec + "#1-1"));
    assertEquals(0, DataSource.open(spec + "#@" + ids, 0).label(0));
    assertEquals(List.of(file, ids), DataSource.files(spec + "#@" + ids));
    Fixtures.refused(() -> DataSource.open(spec + "#1-", 0), "#FIRST-LAST or #@FILE");
  }

  @Test
  void compressedByGzip() throws IOException {
    Path file = folder.resolve("x.csv.gz");
    Files.write(file, ImageFiles.gzip("label,a\n1,0.5\n".getBytes(StandardCharsets.US_ASCII)));
    assertEquals(0.5f, Fixtures.pixels(DataSource.open("csv:" + file, 0), 0)[0]);
  }

  @Test
  void wrongLinesAreNamed() {
    refusedCsv("", "x.csv", "at least one line");
    refusedCsv("label,a,b\n", "at least one line");
    refusedCsv("1\n2\n", "line 1", "1 field");
    refusedCsv("1,2,3\n1,2\n", "line 2", "3 fields", "2");
    refusedCsv("1,2,3\n\n1,2,3,4\n", "line 3", "3 fields", "4");
    for (String word : new String[] {"x", "", "NaN", "0x1p3", "1f", "1e", "--1", ".", "1 2"}) {
      refusedCsv("1,2,3\n1,2," + word + "\n", "line 2", "a number in field 3");
    }
    refusedCsv("1,2,3\n,2,3\n", "line 2", "a label in field 1");
    refusedCsv("1,2,300\n", "0 to 255", "300");
    refusedCsv("1,-1,0\n", "0 to 255");
    refusedCsv("1,0.5,2\n", "0 to 255");
    refusedCsv("1,1e999,2\n", "not finite");
    refusedCsv("70000,1,2\n", "labels from 0 to 65535");
    refusedCsv("1,\"2\"3\",4\n", "line 1", "quotes");
  }

  private static byte[] cifar(int... labels) {
    byte[] out = new byte[labels.length * 3073];
    for (int n = 0; n < labels.length; n++) {
      out[n * 3073] = (byte) labels[n];
      out[n * 3073 + 1 + 5] = 51;
      out[n * 3073 + 1 + 1024 + 5] = 102;
      out[n * 3073 + 1 + 2048 + 5] = (byte) 255;
    }
    return out;
  }

  @Test
  void cifar10HasItsPlanesInterleaved() throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    files.put("data_batch_2.bin", cifar(3, 4));
    files.put("data_batch_1.bin", cifar(9));
    files.put("test_batch.bin", cifar(1, 1, 1));
    files.put("readme.html", new byte[1]);
    ImageFiles.folder(folder.resolve("c"), files);
    Dataset train = DataSource.open("cifar10:" + folder.resolve("c"), 0);
    assertArrayEquals(new int[] {9, 3, 4}, Fixtures.labels(train));
    assertEquals("truck", train.classNames().get(9));
    float[] image = Fixtures.pixels(train, 1);
    for (int i = 0; i < image.length; i++) {
      float expected = i == 15 ? 0.2f : i == 16 ? 0.4f : i == 17 ? 1f : 0f;
      assertEquals(expected, image[i], "value " + i);
    }
    Dataset test = DataSource.open("cifar10:" + folder.resolve("c") + "/test", 0);
    assertEquals(3, test.size());
    Fixtures.assertSame(train, DataSource.open("cifar10:" + folder.resolve("c/train"), 0));

    Map<String, byte[]> below = new TreeMap<>();
    files.forEach((name, bytes) -> below.put("cifar-10-batches-bin/" + name, bytes));
    Path archive = folder.resolve("cifar-10-binary.tar.gz");
    Files.write(archive, ImageFiles.gzip(ImageFiles.tar(below)));
    Fixtures.assertSame(train, DataSource.open("cifar10:" + archive, 0));
    Fixtures.assertSame(test, DataSource.open("cifar10:" + archive + "/test", 0));
  }

  @Test
  void wrongCifar10IsNamed() throws IOException {
    Path file = folder.resolve("data_batch_1.bin");
    String spec = "cifar10:" + folder;
    Fixtures.refused(() -> DataSource.open(spec, 0), "data_batch_1.bin", "no such file");
    Files.write(file, cifar(1, 10));
    Fixtures.refused(() -> DataSource.open(spec, 0), file + "", "0 to 9", "10 in record 1");
    Files.write(file, new byte[3074]);
    Fixtures.refused(() -> DataSource.open(spec, 0), "records of 3073 bytes", "3074");
    Files.write(file, new byte[0]);
    Fixtures.refused(() -> DataSource.open(spec, 0), "0 bytes");
    Fixtures.refused(() -> DataSource.open(spec + "/test", 0), "test_batch.bin");
  }
}
