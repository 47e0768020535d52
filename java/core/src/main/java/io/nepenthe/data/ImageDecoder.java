package io.nepenthe.data;

import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Decodes JPEG and PNG to bytes through ImageIO. Its checks come before ImageIO's: what the bytes
 * are, how large the image is, and, in a PNG, every chunk's length and checksum. Transparency is
 * dropped, 16-bit samples lose their lower half.
 */
final class ImageDecoder implements AutoCloseable {
  /** Channels last; one channel for grey. */
  record Decoded(ImageShape shape, byte[] bytes) {}

  private static final int[] PNG = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  private static final int[] JPEG = {0xff, 0xd8, 0xff};

  private final Limits limits;
  private final ImageReader png = ImageIO.getImageReadersByFormatName("png").next();
  private final ImageReader jpeg = ImageIO.getImageReadersByFormatName("jpeg").next();
  private String warning = "";

  ImageDecoder(Limits limits) {
    this.limits = limits;
    // libjpeg fills what is missing with grey and warns.
    jpeg.addIIOReadWarningListener((reader, text) -> warning = text);
  }

  /**
   * Decodes one image.
   *
   * @param where names it
   * @param bytes the file
   * @param height what it must be, or 0 for any
   * @param width what it must be, or 0 for any
   */
  Decoded decode(String where, byte[] bytes, int height, int width) {
    boolean isPng = Input.startsWith(bytes, PNG);
    if (!isPng && !Input.startsWith(bytes, JPEG)) {
      throw new DataException(where, "a JPEG or PNG image", bytes.length + " bytes of neither");
    }
    if (isPng) {
      checkChunks(where, bytes);
    }
    ImageReader reader = isPng ? png : jpeg;
    warning = "";
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes))) {
      reader.setInput(in, true, true);
      checkSize(where, reader.getHeight(0), reader.getWidth(0), height, width);
      BufferedImage image = reader.read(0);
      if (warning.startsWith("Premature") || warning.startsWith("Corrupt")) {
        throw new DataException(where, "a whole image", DataException.quote(warning));
      }
      if (image.getHeight() != reader.getHeight(0) || image.getWidth() != reader.getWidth(0)) {
        throw new DataException(where, "an image as large as it says", "another");
      }
      return bytes(image);
    } catch (IOException | RuntimeException e) {
      // ImageIO does not promise that damage ends in an IOException.
      if (e instanceof DataException known) {
        throw known;
      }
      String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      throw new DataException(
          where, "an intact image", "damage (" + reason.lines().findFirst().orElse("") + ")", e);
    } finally {
      reader.setInput(null);
    }
  }

  private void checkSize(String where, long height, long width, int needHeight, int needWidth) {
    if (needHeight > 0 && (height != needHeight || width != needWidth)) {
      throw new DataException(
          where,
          needHeight + "×" + needWidth + " pixels, like the images before it",
          height + "×" + width);
    }
    limits.imageBytes(where, 1, height, width, 3, 1);
    if (height * width * 3 > limits.entryBytes()) {
      throw new DataException(
          where, "an image of at most " + limits.entryBytes() + " bytes", height + "×" + width);
    }
  }

  private static void checkChunks(String where, byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes, PNG.length, bytes.length - PNG.length);
    CRC32 crc = new CRC32();
    while (true) {
      long length = in.remaining() < 12 ? -1 : in.getInt(in.position()) & 0xffffffffL;
      if (length < 0 || length > in.remaining() - 12) {
        throw new DataException(
            where, "a whole PNG chunk at " + in.position(), "the end at " + bytes.length);
      }
      int type = in.getInt(in.position() + 4);
      int end = in.position() + 8 + (int) length;
      crc.reset();
      crc.update(bytes, in.position() + 4, 4 + (int) length);
      if (in.getInt(end) != (int) crc.getValue()) {
        throw new DataException(
            where, "intact PNG chunks", "one of another checksum at " + in.position());
      }
      in.position(end + 4);
      if (type == 0x49454e44) {
        return;
      }
    }
  }

  private static Decoded bytes(BufferedImage image) {
    int height = image.getHeight();
    int width = image.getWidth();
    if (image.getColorModel() instanceof IndexColorModel) {
      return indexed(image);
    }
    Raster raster = image.getRaster();
    // Not getRGB: it would take grey samples for linear light and change them.
    int channels = raster.getNumBands() < 3 ? 1 : 3;
    int shift = raster.getTransferType() == DataBuffer.TYPE_USHORT ? 8 : 0;
    byte[] out = new byte[height * width * channels];
    int[] row = new int[width];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < height; y++) {
        raster.getSamples(0, y, width, 1, c, row);
        for (int x = 0; x < width; x++) {
          out[(y * width + x) * channels + c] = (byte) (row[x] >>> shift);
        }
      }
    }
    return new Decoded(new ImageShape(height, width, channels), out);
  }

  private static Decoded indexed(BufferedImage image) {
    int height = image.getHeight();
    int width = image.getWidth();
    int[] colours = image.getRGB(0, 0, width, height, null, 0, width);
    boolean grey = true;
    IndexColorModel model = (IndexColorModel) image.getColorModel();
    for (int i = 0; i < model.getMapSize(); i++) {
      grey &= model.getRed(i) == model.getGreen(i) && model.getRed(i) == model.getBlue(i);
    }
    int channels = grey ? 1 : 3;
    byte[] out = new byte[colours.length * channels];
    for (int i = 0; i < colours.length; i++) {
      for (int c = 0; c < channels; c++) {
        out[i * channels + c] = (byte) (colours[i] >>> 16 - 8 * c);
      }
    }
    return new Decoded(new ImageShape(height, width, channels), out);
  }

  @Override
  public void close() {
    png.dispose();
    jpeg.dispose();
  }
}
