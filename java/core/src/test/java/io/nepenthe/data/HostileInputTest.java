package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Seeded damage to files of every format: each outcome is a valid data set or a {@link
 * DataException} of one line, within bounds of time and memory.
 */
class HostileInputTest {
  private static final int MUTATIONS = 220;
  private static final Limits SMALL = new Limits(16 << 20, 1 << 20, 10_000, 4096, 1000, 250);

  /**
   * What is damaged.
   *
   * @param spec the data argument, $ for the folder
   * @param files its files
   * @param victim which of them is damaged
   * @param pack made of the damaged bytes before they are written
   */
  private record Format(
      String name,
      String spec,
      Map<String, byte[]> files,
      String victim,
      UnaryOperator<byte[]> pack) {}

  @TempDir private Path folder;

  @TestFactory
  Stream<DynamicTest> damage() {
    return formats().stream().map(format -> dynamicTest(format.name(), () -> damage(format)));
  }

  private void damage(Format format) throws IOException {
    Path place = folder.resolve(format.name());
    ImageFiles.folder(place, format.files());
    String spec = format.spec().replace("$", place.toString());
    byte[] intact = format.files().get(format.victim());
    Path victim = place.resolve(format.victim());
    Files.write(victim, format.pack().apply(intact));
    Fixtures.assertValid(DataSource.open(spec, 0, SMALL));
    Random64 random = new Random64(format.name().hashCode(), 2025);
    int refused = 0;
    for (int n = 0; n < MUTATIONS; n++) {
      byte[] damaged = format.pack().apply(mutate(intact, random));
      Files.write(victim, damaged);
      String which = format.name() + ", mutation " + n;
      long start = System.nanoTime();
      long before = Memories.allocated();
      try {
        Fixtures.assertValid(DataSource.open(spec, 0, SMALL));
      } catch (DataException e) {
        refused++;
        String message = e.getMessage();
        assertTrue(message.contains("expected") && message.contains("found"), message);
        assertTrue(message.contains(place.toString()), message);
        assertFalse(message.contains("\n"), message);
      } catch (RuntimeException | Error e) {
        throw new AssertionError(which + ": " + e, e);
      }
      long used = Memories.allocated() - before;
      assertTrue(used < 24 << 20, which + " took " + used + " bytes");
      long seconds = (System.nanoTime() - start) / 1_000_000_000;
      assertTrue(seconds < 5, which + " took " + seconds + " seconds");
    }
    assertTrue(refused > MUTATIONS / 10, format.name() + ": only " + refused + " refused");
  }

  static byte[] mutate(byte[] intact, Random64 random) {
    byte[] out = intact.clone();
    int size = out.length;
    int at = random.nextInt(size);
    int head = random.nextInt(Math.min(size, 64));
    int length = 1 + random.nextInt(Math.min(size - at, 600));
    switch (random.nextInt(12)) {
      case 0 -> out = Arrays.copyOf(out, at);
      case 1 -> out[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> out[at] = (byte) random.nextLong();
      case 3 -> out[head] = (byte) random.nextLong();
      case 4 -> extreme(out, head, random, ByteOrder.BIG_ENDIAN);
      case 5 -> extreme(out, at, random, ByteOrder.LITTLE_ENDIAN);
      case 6 -> out = Arrays.copyOf(out, size + length);
      case 7 -> Arrays.fill(out, at, at + length, (byte) random.nextLong());
      case 8 -> System.arraycopy(intact, at, out, random.nextInt(size - length + 1), length);
      case 9 -> {
        System.arraycopy(intact, at + length, out, at, size - at - length);
        out = Arrays.copyOf(out, size - length);
      }
      case 10 -> {
        for (int i = 0; i < 20; i++) {
          out[random.nextInt(size)] ^= (byte) (1 << random.nextInt(8));
        }
      }
      default -> {
        for (int i = 0; i < length; i++) {
          out[at + i] = (byte) random.nextLong();
        }
      }
    }
    return out;
  }

  private static void extreme(byte[] out, int at, Random64 random, ByteOrder order) {
    int[] values = {-1, Integer.MAX_VALUE, Integer.MIN_VALUE, 0, 1, 0xffff, 1 << 24, 1 << 30};
    if (at + 4 <= out.length) {
      ByteBuffer.wrap(out).order(order).putInt(at, values[random.nextInt(values.length)]);
    }
  }

  private static List<Format> formats() {
    UnaryOperator<byte[]> asIs = bytes -> bytes;
    Dataset images = Fixtures.random(12, new ImageShape(8, 9, 3), 3, 7);
    Map<String, byte[]> png = ImageFiles.files(images, "png");
    Map<String, byte[]> jpg = ImageFiles.files(images, "jpg");
    Map<String, byte[]> idx = idx("");
    Map<String, byte[]> idxGz = idx(".gz");
    Map<String, byte[]> npy = npy();
    Map<String, byte[]> cifar = new TreeMap<>(Map.of("data_batch_1.bin", new byte[5 * 3073]));
    byte[] tar = ImageFiles.tar(png);
    UnaryOperator<byte[]> sums =
        bytes -> {
          ImageFiles.sumTarHeaders(bytes);
          return bytes;
        };
    String idxSpec = "idx:$/images,$/labels";
    String npySpec = "npy:$/images.npy,$/labels.npy";
    return List.of(
        new Format("idx", idxSpec, idx, "images", asIs),
        new Format("idx-labels", idxSpec, idx, "labels", asIs),
        new Format("idx.gz", idxSpec, idxGz, "images", asIs),
        new Format("idx-in-gz", idxSpec, idx, "images", ImageFiles::gzip),
        new Format("cifar10", "cifar10:$", cifar, "data_batch_1.bin", asIs),
        new Format("png", "images:$", png, png.keySet().iterator().next(), asIs),
        new Format(
            "png-with-sums", "images:$", png, png.keySet().iterator().next(), ImageFiles::sumPng),
        new Format("jpeg", "images:$", jpg, jpg.keySet().iterator().next(), asIs),
        new Format("zip", "images:$/x.zip", Map.of("x.zip", ImageFiles.zip(png)), "x.zip", asIs),
        new Format("tar", "images:$/x.tar", Map.of("x.tar", tar), "x.tar", asIs),
        new Format("tar-with-sums", "images:$/x.tar", Map.of("x.tar", tar), "x.tar", sums),
        new Format("tar.gz", "images:$/x", Map.of("x", ImageFiles.gzip(tar)), "x", asIs),
        new Format(
            "tar-in-gz", "images:$/x", Map.of("x", tar), "x", b -> ImageFiles.gzip(sums.apply(b))),
        new Format("npy", npySpec, npy, "images.npy", asIs),
        new Format("npy-labels", npySpec, npy, "labels.npy", asIs),
        new Format("npz", "npz:$/x.npz", Map.of("x.npz", ImageFiles.zip(npy)), "x.npz", asIs),
        new Format(
            "npy-in-npz",
            "npz:$/x.npz",
            Map.of("x.npz", npy.get("images.npy")),
            "x.npz",
            bytes ->
                ImageFiles.zip(Map.of("images.npy", bytes, "labels.npy", npy.get("labels.npy")))),
        new Format("csv", "csv:$/x.csv", Map.of("x.csv", csv()), "x.csv", asIs));
  }

  private static Map<String, byte[]> idx(String suffix) {
    try {
      Path folder = Files.createTempDirectory("idx");
      Path images = folder.resolve("images" + suffix);
      Path labels = folder.resolve("labels" + suffix);
      Idx.write(Fixtures.random(12, new ImageShape(8, 9, 3), 3, 7), images, labels);
      Map<String, byte[]> files = new TreeMap<>();
      files.put("images", Files.readAllBytes(images));
      files.put("labels", Files.readAllBytes(labels));
      Files.delete(images);
      Files.delete(labels);
      Files.delete(folder);
      return files;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Map<String, byte[]> npy() {
    Map<String, byte[]> files = new TreeMap<>();
    ByteBuffer values = ByteBuffer.allocate(4 * 12 * 30).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 360; i++) {
      values.putFloat(i / 360f);
    }
    ByteBuffer labels = ByteBuffer.allocate(8 * 12).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 12; i++) {
      labels.putLong(i % 4);
    }
    files.put(
        "images.npy",
        ImageFiles.bytes(
            out -> {
              out.write(Npy.header("<f4", 12, 5, 6));
              out.write(values.array());
            }));
    files.put(
        "labels.npy",
        ImageFiles.bytes(
            out -> {
              out.write(Npy.header("<i8", 12));
              out.write(labels.array());
            }));
    return files;
  }

  private static byte[] csv() {
    StringBuilder text = new StringBuilder("label,a,b,c,d\n");
    for (int i = 0; i < 40; i++) {
      text.append(i % 4).append(",0.5,.25,1e-1,").append(i / 40.0).append('\n');
    }
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }
}
