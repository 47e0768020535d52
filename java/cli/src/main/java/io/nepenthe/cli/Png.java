package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;

/** Images of a data set as PNG, for the report; of more than three channels only the first. */
final class Png {
  private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10};

  private Png() {}

  /** An image as a {@code data:} address. */
  static String dataUri(Dataset dataset, long index) {
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(of(dataset, index));
  }

  static byte[] of(Dataset dataset, long index) {
    ImageShape image = dataset.image();
    boolean colour = image.channels() == 3;
    float[] values = new float[Math.toIntExact(image.floats())];
    dataset.pixels(index, MemorySegment.ofArray(values), 0);
    ByteArrayOutputStream rows = new ByteArrayOutputStream();
    try (OutputStream deflated = new DeflaterOutputStream(rows)) {
      for (int y = 0; y < image.height(); y++) {
        deflated.write(0);
        for (int x = 0; x < image.width(); x++) {
          for (int c = 0; c < (colour ? 3 : 1); c++) {
            float value = values[(y * image.width() + x) * image.channels() + c];
            deflated.write(Math.round(255 * Math.clamp(value, 0f, 1f)));
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    byte[] header =
        ByteBuffer.allocate(13)
            .putInt(image.width())
            .putInt(image.height())
            .put((byte) 8)
            .put((byte) (colour ? 2 : 0))
            .array();
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(SIGNATURE);
    chunk(file, "IHDR", header);
    chunk(file, "IDAT", rows.toByteArray());
    chunk(file, "IEND", new byte[0]);
    return file.toByteArray();
  }

  private static void chunk(ByteArrayOutputStream file, String type, byte[] data) {
    byte[] typed =
        ByteBuffer.allocate(4 + data.length)
            .put(type.getBytes(StandardCharsets.US_ASCII))
            .put(data)
            .array();
    CRC32 crc = new CRC32();
    crc.update(typed);
    file.writeBytes(ByteBuffer.allocate(4).putInt(data.length).array());
    file.writeBytes(typed);
    file.writeBytes(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
  }
}
