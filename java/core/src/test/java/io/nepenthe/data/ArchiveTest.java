package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArchiveTest {
  /** Python's tarfile, GNU and pax format: a/é.png and ./b/xxx…/1.png (150 x), each "abc". */
  private static final String GNU =
      "H4sIAAAAAAACA+3VSQoCMRCF4TpKTtDpIcPWA+QSaReNCFEcwCt5Di9mdCHSuNBFgtD/t6mitsXjRX27Nvs0SUFt"
          + "5ox5zmw+s+Ftf9y9sV5UKxWcj6d4UEoWKo5rwXI1utGrsEtT2KRtwfx/yP0r873p5vn3thcVyH+F/4/68pd0"
          + "V7qXUOf/P/f/YJx19D/9DwAAAAAAAAAAAAD41h3NUqVGACgAAA==";

  private static final String PAX =
      "H4sIAAAAAAACA+3WMQ6CMBTG8c6eghO0r6XCZHR09ApFiU6GICZciXN4MSUMxhgGhhIS/r+lTZcOL1++p402h1No"
          + "j2W4lLWKQgZjp4iz33v/bsVJppJWzeD5aEL9+V6tk82TKjS3XTCvTlf360ZhTYLZ92OP+kcf6sz78fxL+pt/"
          + "ycU7lQj5jz//4kwIVkwvoP/d1v31v/X0/zz9L8MCoE1h2kUylsUkYv7jj31y/6c+txn9T/8DAAAAAAAAAABg"
          + "qjcM6meCACgAAA==";

  @TempDir private Path folder;

  private List<String> list(byte[] archive, Limits limits) {
    try {
      Path file = Files.write(folder.resolve("archive"), archive);
      List<String> paths = new ArrayList<>();
      FileTree.open(file, limits)
          .forEach(
              path -> true,
              (where, path, bytes) ->
                  paths.add(path + "=" + new String(bytes, StandardCharsets.US_ASCII)));
      return paths;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private List<String> list(byte[] archive) {
    return list(archive, Limits.DEFAULT);
  }

  @Test
  void readsTarsOfOthers() {
    List<String> expected = List.of("a/é.png=abc", "b/" + "x".repeat(150) + "/1.png=abc");
    assertEquals(expected, list(Base64.getDecoder().decode(GNU)));
    assertEquals(expected, list(Base64.getDecoder().decode(PAX)));
  }

  @Test
  void namesThatLeadOutAreRefused() {
    for (String name :
        new String[] {
          "../x.png",
          "a/../../x.png",
          "/etc/x.png",
          "a/..",
          "..",
          "C:/x",
          "c:x",
          "a\\..\\x",
          "a/../b"
        }) {
      Map<String, byte[]> files = Map.of(name, new byte[3]);
      Fixtures.refused(() -> list(ImageFiles.tar(files)), "archive: ", "without \"..\"");
      Fixtures.refused(() -> list(ImageFiles.zip(files)), "archive: ", "without \"..\"");
    }
    assertEquals(List.of("a..b/..c="), list(ImageFiles.zip(Map.of("a..b/..c", new byte[0]))));
  }

  @Test
  void linksAndDevicesAreRefused() {
    for (char type : new char[] {'1', '2', '3', '4', '6', 'S', 'Z'}) {
      byte[] tar = ImageFiles.tarEntry("a/x.png", type, new byte[0]);
      Fixtures.refused(() -> list(tar), "a/x.png", "only files and folders");
    }
    byte[] link = ImageFiles.tarEntry("x", '2', new byte[0]);
    Fixtures.refused(() -> list(link), "a symbolic link");

    byte[] zip = ImageFiles.zip(Map.of("a", "/etc/passwd".getBytes(StandardCharsets.US_ASCII)));
    int central = find(zip, 0x02014b50);
    zip[central + 5] = 3;
    ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN).putInt(central + 38, 0120777 << 16);
    Fixtures.refused(() -> list(zip), "archive!/a", "a symbolic link");
  }

  @Test
  void bombsAreRefusedEarly() {
    byte[] zeros = new byte[100 << 20];
    byte[] gz =
        ImageFiles.gzip(
            ImageFiles.bytes(
                out -> {
                  out.write(ImageFiles.tarEntry("big.txt", '0', zeros));
                  out.write(new byte[1024]);
                }));
    Fixtures.refused(() -> list(gz), "at most");
    byte[] zip = ImageFiles.zip(Map.of("big.png", zeros));
    long before = Memories.allocated();
    Fixtures.refused(() -> list(zip), "big.png", "a size that");
    assertTrue(Memories.allocated() - before < 4 << 20, "memory");
  }

  @Test
  void lyingSizesAreRefused() {
    byte[] tar = ImageFiles.tarEntry("a.png", '0', new byte[3]);
    for (String size : new String[] {"77777777777", "00000100000", "-0000000001", "9"}) {
      System.arraycopy(size.getBytes(StandardCharsets.US_ASCII), 0, tar, 124, size.length());
      ImageFiles.sumTarHeaders(tar);
      Fixtures.refused(() -> list(tar), "archive", "expected");
    }
    tar[124] = (byte) 0x80;
    ImageFiles.sumTarHeaders(tar);
    Fixtures.refused(() -> list(tar), "archive", "expected");

    byte[] zip = ImageFiles.zip(Map.of("a", new byte[1000]));
    ByteBuffer bytes = ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN);
    int central = find(zip, 0x02014b50);
    for (int size : new int[] {999, 1001, 60_000, Integer.MAX_VALUE}) {
      bytes.putInt(central + 24, size);
      Fixtures.refused(() -> list(zip), "archive!/a");
    }
    bytes.putInt(central + 24, 1000).putInt(central + 16, 0);
    Fixtures.refused(() -> list(zip), "archive!/a", "another checksum");
  }

  @Test
  void overlappingEntriesAreRefused() {
    byte[] zip = ImageFiles.zip(new TreeMap<>(Map.of("a", new byte[9], "b", new byte[9])));
    ByteBuffer bytes = ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN);
    int central = find(zip, 0x02014b50);
    bytes.putInt(central + 20, bytes.getInt(central + 20) + 60);
    Fixtures.refused(() -> list(zip), "!/a", "entries that do not overlap");
    bytes.putInt(central + 20, bytes.getInt(central + 20) - 60);
    assertEquals(2, list(zip).size());
    bytes.putInt(central + 46 + 1 + 42, 0);
    Fixtures.refused(() -> list(zip), "entries that do not overlap");
  }

  @Test
  void encryptedAndUnknownMethodsAreRefused() {
    byte[] zip = ImageFiles.zip(Map.of("a", new byte[9]));
    int central = find(zip, 0x02014b50);
    zip[central + 8] |= 1;
    Fixtures.refused(() -> list(zip), "encryption");
    zip[central + 8] ^= 1;
    zip[central + 10] = 12;
    Fixtures.refused(() -> list(zip), "method", "12");
  }

  @Test
  void aCutArchiveIsRefused() {
    byte[] tar = ImageFiles.tar(Map.of("a", new byte[3]));
    byte[] noEnd = Arrays.copyOf(tar, 1024);
    Fixtures.refused(() -> list(noEnd), "end-of-archive");
    byte[] gz = ImageFiles.gzip(tar);
    byte[] noTrailer = Arrays.copyOf(gz, gz.length - 3);
    Fixtures.refused(() -> list(noTrailer), "archive");
    byte[] zip = ImageFiles.zip(Map.of("a", new byte[3]));
    byte[] cut = Arrays.copyOf(zip, zip.length - 1);
    Fixtures.refused(() -> list(cut), "end record", "cut off");
    Fixtures.refused(() -> list(new byte[0]), "archive");
    Fixtures.refused(() -> list("some text".repeat(99).getBytes()), "zip, tar or tar.gz");
  }

  @Test
  void limitsHold() {
    Limits few = new Limits(1000, 100, 2, 10, 10, 10);
    byte[] large = ImageFiles.tar(Map.of("a", new byte[101]));
    Fixtures.refused(() -> list(large, few), "at most 100 bytes");
    Map<String, byte[]> three = new TreeMap<>();
    for (String name : new String[] {"a", "b", "c", "d"}) {
      three.put(name, new byte[1]);
    }
    Fixtures.refused(() -> list(ImageFiles.tar(three), few), "at most");
    Fixtures.refused(() -> list(ImageFiles.zip(three), few), "at most");
    ImageFiles.folder(folder.resolve("f"), three);
    Fixtures.refused(
        () -> FileTree.open(folder.resolve("f"), few).forEach(p -> true, (w, p, b) -> {}), "most");
  }

  @Test
  void anOrdinaryZipReaderAgrees() throws IOException {
    Map<String, byte[]> files = ImageFiles.files(Fixtures.random(5), "png");
    Path file = Files.write(folder.resolve("z"), ImageFiles.zip(files));
    try (ZipReader zip = ZipReader.open(file, Limits.DEFAULT);
        ZipFile other = new ZipFile(file.toFile())) {
      assertEquals(5, zip.entries().size());
      for (ZipReader.Entry entry : zip.entries()) {
        try (Input in = zip.read(entry);
            InputStream expected = other.getInputStream(other.getEntry(entry.name()))) {
          byte[] all = expected.readAllBytes();
          assertArrayEquals(all, in.rest(1 << 20, "x"));
        }
      }
    }
  }

  private static int find(byte[] bytes, int signature) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int at = 0;
    while (buffer.getInt(at) != signature) {
      at++;
    }
    return at;
  }
}
