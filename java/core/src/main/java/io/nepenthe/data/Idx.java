package io.nepenthe.data;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/**
 * IDX, the format of MNIST: a big-endian header (0, 0, type 8 = uint8, number of dimensions, then
 * each as int32) and the bytes. Images are N×H×W or N×H×W×C, labels are N. Files compressed by gzip
 * are recognised by their content. (Source: LeCun, Cortes and Burges, "The MNIST database".)
 */
public final class Idx {
  private Idx() {}

  /**
   * Reads images and their labels within the {@linkplain Limits#DEFAULT default limits}.
   *
   * @param images the image file
   * @param labels the label file
   * @return the data set; its pixels stay one byte each
   * @throws DataException if a file cannot be read, or is not just what its header says
   */
  public static Dataset read(Path images, Path labels) {
    return read(images, labels, Limits.DEFAULT);
  }

  /**
   * Reads images and their labels.
   *
   * @param images the image file
   * @param labels the label file
   * @param limits what to accept
   * @return the data set; its pixels stay one byte each
   * @throws DataException if a file cannot be read, or is not just what its header says
   */
  public static Dataset read(Path images, Path labels, Limits limits) {
    ImageShape shape;
    MemorySegment pixels;
    long count;
    try (Input in = Input.open(images, limits)) {
      int dimensions = header(in, 3, 4);
      count = in.unsignedInt("the number of images");
      long height = in.unsignedInt("the image height");
      long width = in.unsignedInt("the image width");
      long channels = dimensions == 4 ? in.unsignedInt("the number of channels") : 1;
      long bytes = limits.imageBytes(in.where(), count, height, width, channels, 1);
      shape = new ImageShape((int) height, (int) width, (int) channels);
      pixels = in.segment(bytes, count + " images of " + shape);
      in.end(count + " images of " + shape);
    }
    MemorySegment classes = labels(labels, images, count, limits);
    int most = -1;
    for (long i = 0; i < count; i++) {
      most = Math.max(most, classes.getAtIndex(ValueLayout.JAVA_INT, i));
    }
    if (most + 1 > limits.classes()) {
      throw new DataException(
          labels.toString(), "labels below " + limits.classes(), Integer.toString(most));
    }
    return StoredImages.ofBytes(
        images.toString(), shape, StoredImages.numbered(most + 1), pixels, classes);
  }

  /**
   * The label file that belongs to an image file by its name: {@code train-images-idx3-ubyte.gz} →
   * {@code train-labels-idx1-ubyte.gz}, {@code x-images.idx} → {@code x-labels.idx}; with or
   * without {@code .gz}, whichever exists.
   *
   * @param images the image file
   * @return the label file
   * @throws DataException if there is none
   */
  public static Path labelsOf(Path images) {
    String name = images.getFileName().toString();
    String wanted =
        name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    if (!wanted.equals(name)) {
      String other =
          wanted.endsWith(".gz") ? wanted.substring(0, wanted.length() - 3) : wanted + ".gz";
      for (String candidate : new String[] {wanted, other}) {
        Path labels = images.resolveSibling(candidate);
        if (Files.exists(labels)) {
          return labels;
        }
      }
    }
    throw new DataException(
        images.toString(),
        "its labels beside it, or named as in idx:IMAGES,LABELS",
        wanted.equals(name) ? "no \"images\" in its name to go by" : "no file " + wanted);
  }

  /**
   * Writes a data set as two files, each complete or not there at all; compressed where the name
   * ends in {@code .gz}. Pixels are rounded to bytes. IDX holds neither ids nor class names: read
   * back, an image's id is its position.
   *
   * @param dataset fewer than 2³² images and at most 256 classes
   * @param images the image file
   * @param labels the label file
   * @throws DataException if a file cannot be written or IDX cannot hold the data set
   */
  public static void write(Dataset dataset, Path images, Path labels) {
    if (dataset.size() >= 1L << 32 || dataset.classes() > 256) {
      throw new DataException(
          images.toString(),
          "fewer than 2^32 images of at most 256 classes",
          dataset.size() + " images of " + dataset.classes() + " classes");
    }
    ImageShape shape = dataset.image();
    boolean grey = shape.channels() == 1;
    AtomicFile.write(
        images,
        raw -> {
          try (OutputStream out = compressed(images, raw)) {
            out.write(new byte[] {0, 0, 8, (byte) (grey ? 3 : 4)});
            unsignedInt(out, dataset.size());
            unsignedInt(out, shape.height());
            unsignedInt(out, shape.width());
            if (!grey) {
              unsignedInt(out, shape.channels());
            }
            PixelBytes bytes = new PixelBytes(dataset);
            for (long i = 0; i < dataset.size(); i++) {
              out.write(bytes.of(i));
            }
          }
        });
    AtomicFile.write(
        labels,
        raw -> {
          try (OutputStream out = compressed(labels, raw)) {
            out.write(new byte[] {0, 0, 8, 1});
            unsignedInt(out, dataset.size());
            for (long i = 0; i < dataset.size(); i++) {
              out.write(dataset.label(i));
            }
          }
        });
  }

  private static MemorySegment labels(Path labels, Path images, long count, Limits limits) {
    try (Input in = Input.open(labels, limits)) {
      header(in, 1, 1);
      long found = in.unsignedInt("the number of labels");
      if (found != count) {
        throw new DataException(
            in.where(), count + " labels, one for each image of " + images, found + " labels");
      }
      MemorySegment bytes = in.segment(count, count + " labels");
      in.end(count + " labels");
      MemorySegment classes = Memory.allocate(in.where(), count * 4);
      for (long i = 0; i < count; i++) {
        int label = bytes.get(ValueLayout.JAVA_BYTE, i) & 0xff;
        classes.setAtIndex(ValueLayout.JAVA_INT, i, label);
      }
      return classes;
    }
  }

  private static int header(Input in, int least, int most) {
    byte[] magic = in.read(4, "an IDX header");
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] < least || magic[3] > most) {
      String expected = "0 0 8 " + least + (most > least ? " or 0 0 8 " + most : "");
      throw new DataException(
          in.where(),
          "an IDX header of uint8 (first bytes " + expected + ")",
          String.format(
              "%d %d %d %d", magic[0] & 0xff, magic[1] & 0xff, magic[2] & 0xff, magic[3] & 0xff));
    }
    return magic[3];
  }

  private static OutputStream compressed(Path file, OutputStream out) throws IOException {
    return file.toString().endsWith(".gz") ? new GZIPOutputStream(out, 1 << 16) : out;
  }

  private static void unsignedInt(OutputStream out, long value) throws IOException {
    out.write(
        new byte[] {
          (byte) (value >>> 24), (byte) (value >>> 16), (byte) (value >>> 8), (byte) value
        });
  }
}
