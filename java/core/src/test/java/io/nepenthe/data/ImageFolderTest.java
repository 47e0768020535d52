package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageFolderTest {
  @TempDir private Path folder;

  private final Dataset colour = Fixtures.random(9, new ImageShape(6, 7, 3), 3, 4);

  /** What the fixture's images are once sorted by class. */
  private static Dataset sorted(Dataset dataset) {
    return Subset.of(dataset, new long[] {0, 3, 6, 1, 4, 7, 2, 5, 8});
  }

  private static void assertSamePixels(Dataset expected, Dataset actual) {
    assertEquals(expected.size(), actual.size());
    for (long i = 0; i < expected.size(); i++) {
      assertEquals(expected.label(i), actual.label(i));
      assertArrayEquals(Fixtures.pixels(expected, i), Fixtures.pixels(actual, i));
    }
  }

  private Dataset open(String rest) {
    return DataSource.open("images:" + folder.resolve(rest), 0);
  }

  @Test
  void theSameFilesAreTheSameDataHoweverTheyArePacked() throws IOException {
    Map<String, byte[]> files = ImageFiles.files(colour, "png");
    files.put("README.txt", new byte[5]);
    files.put("c0/.hidden.png", new byte[5]);
    ImageFiles.folder(folder.resolve("plain"), files);
    Map<String, byte[]> below = new TreeMap<>();
    files.forEach((name, bytes) -> below.put("top/sub/" + name, bytes));
    below.put("elsewhere/broken.png", new byte[3]);
    ImageFiles.folder(folder.resolve("deep"), below);
    Files.write(folder.resolve("a.zip"), ImageFiles.zip(files));
    Files.write(folder.resolve("b.zip"), ImageFiles.zip(below));
    Files.write(folder.resolve("a.tar"), ImageFiles.tar(new TreeMap<>(files).descendingMap()));
    Files.write(folder.resolve("b.tgz"), ImageFiles.gzip(ImageFiles.tar(below)));

    Dataset plain = open("plain");
    assertSamePixels(sorted(colour), plain);
    assertEquals(List.of("c0", "c1", "c2"), plain.classNames());
    assertEquals(4, plain.id(4));
    for (String place :
        new String[] {"deep!/top/sub", "a.zip", "b.zip!/top/sub/", "a.tar", "b.tgz!/./top/sub"}) {
      Fixtures.assertSame(plain, open(place));
    }
    Files.createSymbolicLink(folder.resolve("link"), folder.resolve("plain"));
    Fixtures.assertSame(plain, open("link"));
  }

  @Test
  void jpegIsReadToo() {
    Dataset flat = Altered.everywhere(colour, new Altered.Patch(BadNets.Corner.TOP_LEFT, 9, 0.4f));
    ImageFiles.folder(folder.resolve("jpg"), ImageFiles.files(flat, "jpg"));
    Dataset read = open("jpg");
    assertEquals(new ImageShape(6, 7, 3), read.image());
    for (float value : Fixtures.pixels(read, 5)) {
      assertEquals(0.4f, value, 0.02f);
    }
  }

  @Test
  void greyStaysGreyAndJoinsColour() {
    Dataset grey = Fixtures.random(9, new ImageShape(6, 7, 1), 3, 5);
    ImageFiles.folder(folder.resolve("grey"), ImageFiles.files(grey, "png"));
    Dataset read = open("grey");
    assertEquals(1, read.image().channels());
    assertSamePixels(sorted(grey), read);

    Map<String, byte[]> mixed = ImageFiles.files(grey, "png");
    mixed.put("c1/001.png", ImageFiles.encode(colour, 1, "png"));
    ImageFiles.folder(folder.resolve("mixed"), mixed);
    Dataset both = open("mixed");
    assertEquals(3, both.image().channels());
    assertArrayEquals(Fixtures.pixels(colour, 1), Fixtures.pixels(both, 3));
    float[] first = Fixtures.pixels(both, 0);
    float[] last = Fixtures.pixels(both, 8);
    for (int i = 0; i < first.length; i++) {
      assertEquals(Fixtures.pixels(grey, 0)[i / 3], first[i]);
      assertEquals(Fixtures.pixels(grey, 8)[i / 3], last[i]);
    }
  }

  @Test
  void everyKindOfPngKeepsItsSamples() throws IOException {
    int[] types = {
      BufferedImage.TYPE_BYTE_GRAY,
      BufferedImage.TYPE_USHORT_GRAY,
      BufferedImage.TYPE_BYTE_BINARY,
      BufferedImage.TYPE_BYTE_INDEXED,
      BufferedImage.TYPE_INT_ARGB,
      BufferedImage.TYPE_3BYTE_BGR
    };
    for (int type : types) {
      BufferedImage image = new BufferedImage(4, 2, type);
      boolean isGrey =
          image.getRaster().getNumBands() == 1 && type != BufferedImage.TYPE_BYTE_INDEXED;
      if (type == BufferedImage.TYPE_BYTE_GRAY) {
        image.getRaster().setSample(1, 0, 0, 51);
      } else if (type == BufferedImage.TYPE_USHORT_GRAY) {
        image.getRaster().setSample(1, 0, 0, 51 * 257);
      } else {
        image.setRGB(1, 0, isGrey ? 0xffffffff : 0xffff3300);
      }
      Map<String, byte[]> one =
          Map.of("x/1.png", ImageFiles.bytes(o -> ImageIO.write(image, "png", o)));
      Path place = folder.resolve("type" + type);
      ImageFiles.folder(place, one);
      Dataset read = open("type" + type);
      assertEquals(isGrey ? 1 : 3, read.image().channels(), "type " + type);
      float[] pixels = Fixtures.pixels(read, 0);
      if (!isGrey) {
        assertArrayEquals(new float[] {1, 0.2f, 0}, Arrays.copyOfRange(pixels, 3, 6));
      } else {
        assertEquals(type == BufferedImage.TYPE_BYTE_BINARY ? 1 : 0.2f, pixels[1], "type " + type);
      }
      assertEquals(0, pixels[0]);
    }
  }

  @Test
  void messagesSayWhatIsWrong() throws IOException {
    Map<String, byte[]> files = ImageFiles.files(colour, "png");
    ImageFiles.folder(folder.resolve("small"), files);
    Dataset other = Fixtures.random(1, new ImageShape(5, 7, 3), 1, 1);
    ImageFiles.folder(
        folder.resolve("small"), Map.of("c2/x.png", ImageFiles.encode(other, 0, "png")));
    Fixtures.refused(() -> open("small"), "pixels, like the images before it", "5×7");

    ImageFiles.folder(folder.resolve("root"), Map.of("1.png", files.get("c0/000.png")));
    Fixtures.refused(() -> open("root"), "1.png", "one folder a class");
    Files.createDirectories(folder.resolve("empty"));
    Fixtures.refused(() -> open("empty"), "empty", "CLASS/NAME.png", "no such file");
    Fixtures.refused(() -> open("small!/none"), "none", "no such file");
    Fixtures.refused(() -> open("small!/../x"), "..");
    Fixtures.refused(() -> open("nowhere"), "nowhere", "no such file");
    ImageFiles.folder(folder.resolve("text"), Map.of("c/1.png", "hello".getBytes()));
    Fixtures.refused(() -> open("text"), "c/1.png", "a JPEG or PNG image", "5 bytes of neither");

    byte[] jpeg = ImageFiles.encode(Fixtures.random(1, new ImageShape(64, 64, 3), 1, 1), 0, "jpg");
    byte[] half = Arrays.copyOf(jpeg, jpeg.length / 2);
    ImageFiles.folder(folder.resolve("cut"), Map.of("c/1.jpg", half));
    Fixtures.refused(() -> open("cut"), "c/1.jpg", "a whole image", "remature end");
  }

  @Test
  void aHugeImageIsRefusedBeforeItIsDecoded() {
    byte[] png = ImageFiles.encode(colour, 0, "png");
    ByteBuffer bytes = ByteBuffer.wrap(png);
    for (int[] sides : new int[][] {{60_000, 60_000}, {8192, 8192}, {-1, 4}, {0, 4}}) {
      bytes.putInt(16, sides[0]).putInt(20, sides[1]);
      CRC32 crc = new CRC32();
      crc.update(png, 12, 17);
      bytes.putInt(29, (int) crc.getValue());
      ImageFiles.folder(folder, Map.of("huge/c/1.png", png));
      long before = Memories.allocated();
      Fixtures.refused(() -> open("huge"), "c/1.png", "expected");
      assertTrue(Memories.allocated() - before < 8 << 20);
    }
  }

  @Test
  void linksInAFolderAreFollowed() throws IOException {
    ImageFiles.folder(folder.resolve("pool"), ImageFiles.files(colour, "png"));
    Dataset plain = open("pool");
    Path linked = Files.createDirectories(folder.resolve("linked"));
    Files.createSymbolicLink(linked.resolve("c0"), folder.resolve("pool/c0"));
    Files.createSymbolicLink(linked.resolve("c1"), Path.of("../pool/c1"));
    Files.createDirectories(linked.resolve("c2/deep"));
    try (Stream<Path> images = Files.list(folder.resolve("pool/c2"))) {
      for (Path image : images.toList()) {
        Files.createSymbolicLink(linked.resolve("c2").resolve(image.getFileName()), image);
      }
    }
    Files.createSymbolicLink(linked.resolve("c2/deep/notes.txt"), Path.of("nowhere"));
    Fixtures.assertSame(plain, open("linked"));

    Path image = Files.createSymbolicLink(linked.resolve("c2/deep/z.png"), Path.of("nowhere"));
    Fixtures.refused(() -> open("linked"), "z.png", "a link to nothing");
    Files.delete(image);
    Files.createSymbolicLink(linked.resolve("c2/deep/again"), linked);
    Fixtures.refused(() -> open("linked"), "again", "a link to a folder above it");
  }

  @Test
  void cifar10FromItsArchiveOfJpegs() {
    Path archive = Fixtures.real("cifar10/cifar10-images.tar.gz");
    Dataset test = DataSource.open("images:" + archive + "!/test", 0);
    assertEquals(10_000, test.size());
    assertEquals(new ImageShape(32, 32, 3), test.image());
    assertEquals("airplane", test.classNames().getFirst());
    assertEquals(1000, Datasets.ofClasses(test, 9).size());
    Normalisation moments = Normalisation.of(test);
    assertEquals(0.494f, moments.mean()[0], 0.005f);
    assertEquals(0.262f, moments.std()[2], 0.005f);
  }
}
