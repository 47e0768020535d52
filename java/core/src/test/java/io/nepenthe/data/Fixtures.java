package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.function.Executable;

/** Small data sets with contents that can be told, and ways to compare them. */
final class Fixtures {
  private Fixtures() {}

  /** Random bytes as images; image n has label n mod classes. */
  static Dataset random(int size, ImageShape image, int classes, long seed) {
    MemorySegment pixels = Memory.allocate("test", size * image.floats());
    MemorySegment labels = Memory.allocate("test", size * 4L);
    Random64 random = new Random64(seed);
    for (long i = 0; i < pixels.byteSize(); i++) {
      pixels.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(256));
    }
    for (long i = 0; i < size; i++) {
      labels.setAtIndex(ValueLayout.JAVA_INT, i, (int) (i % classes));
    }
    return StoredImages.ofBytes("test", image, StoredImages.numbered(classes), pixels, labels);
  }

  static Dataset random(int size) {
    return random(size, new ImageShape(5, 4, 3), 4, 1);
  }

  static float[] pixels(Dataset dataset, long index) {
    float[] values = new float[Math.toIntExact(dataset.image().floats())];
    dataset.pixels(index, MemorySegment.ofArray(values), 0);
    return values;
  }

  static int[] labels(Dataset dataset) {
    int[] labels = new int[Math.toIntExact(dataset.size())];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = dataset.label(i);
    }
    return labels;
  }

  /** Same shape, pixels, labels and ids, image by image. */
  static void assertSame(Dataset expected, Dataset actual) {
    assertEquals(expected.size(), actual.size());
    assertEquals(expected.image(), actual.image());
    for (long i = 0; i < expected.size(); i++) {
      assertEquals(expected.id(i), actual.id(i), "id at " + i);
      assertEquals(expected.label(i), actual.label(i), "label at " + i);
      assertArrayEquals(pixels(expected, i), pixels(actual, i), "image " + i);
      assertBytesAgree(actual, i);
    }
  }

  private static void assertBytesAgree(Dataset dataset, long index) {
    float[] values = pixels(dataset, index);
    byte[] bytes = new byte[values.length];
    if (dataset.bytes(index, MemorySegment.ofArray(bytes), 0)) {
      for (int k = 0; k < values.length; k++) {
        assertEquals((bytes[k] & 0xff) / 255f, values[k], "image " + index);
      }
    }
  }

  /** Reads everything and checks what every data set promises. */
  static void assertValid(Dataset dataset) {
    assertEquals(dataset.classes(), dataset.classNames().size());
    for (long i = 0; i < dataset.size(); i++) {
      int label = dataset.label(i);
      assertTrue(label >= 0 && label < dataset.classes(), "label " + label);
      assertTrue(dataset.id(i) >= 0, "id");
      for (float value : pixels(dataset, i)) {
        assertTrue(value >= 0 && value <= 1, "pixel " + value);
      }
      assertBytesAgree(dataset, i);
    }
  }

  /** The message of the refusal, which must hold every one of these words. */
  static String refused(Executable action, String... words) {
    String message = assertThrows(DataException.class, action).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), "\"" + message + "\" lacks \"" + word + "\"");
    }
    return message;
  }

  /** A file of real data; the test is skipped where there is none. */
  static Path real(String file) {
    String folder = System.getenv("NEPENTHE_DATA");
    Assumptions.assumeTrue(folder != null, "NEPENTHE_DATA names no folder of real data");
    Path path = Path.of(folder, file);
    Assumptions.assumeTrue(Files.exists(path), "NEPENTHE_DATA has no " + file);
    return path;
  }
}
