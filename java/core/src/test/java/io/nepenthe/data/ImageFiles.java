package io.nepenthe.data;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;

/** Encoded images, and folders, zips and tars of files. */
final class ImageFiles {
  /** Writes somewhere and may fail. */
  interface Action {
    void run(OutputStream out) throws IOException;
  }

  private ImageFiles() {}

  static byte[] bytes(Action action) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      action.run(out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Image n of a data set, as PNG or JPEG. */
  static byte[] encode(Dataset dataset, long n, String format) {
    ImageShape shape = dataset.image();
    boolean grey = shape.channels() == 1;
    BufferedImage image =
        new BufferedImage(
            shape.width(),
            shape.height(),
            grey ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_INT_RGB);
    byte[] values = new PixelBytes(dataset).of(n);
    for (int y = 0; y < shape.height(); y++) {
      for (int x = 0; x < shape.width(); x++) {
        for (int c = 0; c < shape.channels(); c++) {
          int value = values[(y * shape.width() + x) * shape.channels() + c] & 0xff;
          image.getRaster().setSample(x, y, c, value);
        }
      }
    }
    return bytes(out -> ImageIO.write(image, format, out));
  }

  /** A data set as files CLASS/NNN.png, class 3 being "c3". */
  static Map<String, byte[]> files(Dataset dataset, String format) {
    Map<String, byte[]> files = new TreeMap<>();
    for (int n = 0; n < dataset.size(); n++) {
      String name = String.format("c%d/%03d.%s", dataset.label(n), n, format);
      files.put(name, encode(dataset, n, format));
    }
    return files;
  }

  static void folder(Path root, Map<String, byte[]> files) {
    try {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        Path path = root.resolve(file.getKey());
        Files.createDirectories(path.getParent());
        Files.write(path, file.getValue());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static byte[] zip(Map<String, byte[]> files) {
    return bytes(
        out -> {
          try (ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
              zip.putNextEntry(new ZipEntry(file.getKey()));
              zip.write(file.getValue());
              zip.closeEntry();
            }
          }
        });
  }

  static byte[] gzip(byte[] bytes) {
    return bytes(
        out -> {
          try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
          }
        });
  }

  static byte[] tar(Map<String, byte[]> files) {
    return bytes(
        out -> {
          for (Map.Entry<String, byte[]> file : files.entrySet()) {
            out.write(tarEntry(file.getKey(), '0', file.getValue()));
          }
          out.write(new byte[1024]);
        });
  }

  static byte[] tarEntry(String name, char type, byte[] contents) {
    byte[] out = new byte[512 + Math.ceilDiv(contents.length, 512) * 512];
    put(out, 0, name);
    put(out, 100, "0000644");
    put(out, 124, String.format("%011o", contents.length));
    out[156] = (byte) type;
    put(out, 157, "../../target");
    put(out, 257, "ustar\0" + "00");
    System.arraycopy(contents, 0, out, 512, contents.length);
    sumTarHeaders(out);
    return out;
  }

  /** Makes the checksum of every whole PNG chunk right, so that damage reaches the decoder. */
  static byte[] sumPng(byte[] png) {
    ByteBuffer bytes = ByteBuffer.wrap(png);
    long at = 8;
    while (at + 12 <= png.length) {
      long end = at + 8 + (bytes.getInt((int) at) & 0xffffffffL);
      if (end + 4 <= png.length) {
        CRC32 crc = new CRC32();
        crc.update(png, (int) at + 4, (int) (end - at) - 4);
        bytes.putInt((int) end, (int) crc.getValue());
      }
      at = end + 4;
    }
    return png;
  }

  /** Makes the checksum of every block that looks like a header right. */
  static void sumTarHeaders(byte[] tar) {
    for (int at = 0; at + 512 <= tar.length; at += 512) {
      if (Arrays.equals(
          tar, at + 257, at + 262, "ustar".getBytes(StandardCharsets.US_ASCII), 0, 5)) {
        int sum = 0;
        for (int i = 0; i < 512; i++) {
          sum += i >= 148 && i < 156 ? ' ' : tar[at + i] & 0xff;
        }
        put(tar, at + 148, String.format("%06o\0 ", sum));
      }
    }
  }

  private static void put(byte[] out, int at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    System.arraycopy(bytes, 0, out, at, bytes.length);
  }
}
