package io.nepenthe.data;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * NumPy's arrays: an NPZ of images and labels, or two NPY files.
 *
 * <p>Images are N×H×W, N×H×W×C, or N rows of values, which become squares where their number allows
 * it; of type uint8, or of any other number type with values all from 0 to 1 or all whole from 0 to
 * 255. Labels are N (or N×1) whole numbers from 0. Python objects are never read.
 *
 * <p>An NPZ names its arrays {@code images} and {@code labels}, {@code x} and {@code y}, {@code
 * data} and {@code labels}, or, by part, {@code x_train} and {@code y_train} (Keras), {@code
 * train_images} and {@code train_labels} (MedMNIST), with {@code test} in place of {@code train}.
 * An array {@code ids} beside {@code images}, as this class writes it, gives the ids.
 */
public final class Npz {
  private Npz() {}

  /**
   * Reads the training part of an NPZ, or its only one.
   *
   * @param file the NPZ
   * @param part {@code train} or {@code test}; a file of one part has only {@code train}
   * @param limits what to accept
   * @return the data set
   * @throws DataException if the file is damaged, or has no such arrays, or they do not fit
   */
  public static Dataset read(Path file, String part, Limits limits) {
    String where = part.equals("train") ? file.toString() : file + "!/" + part;
    try (ZipReader zip = ZipReader.open(file, limits)) {
      Map<String, ZipReader.Entry> arrays = new HashMap<>();
      for (ZipReader.Entry entry : zip.entries()) {
        arrays.put(entry.name(), entry);
      }
      for (String[] names : names(part)) {
        ZipReader.Entry images = arrays.get(names[0] + ".npy");
        ZipReader.Entry labels = arrays.get(names[1] + ".npy");
        if (images != null && labels != null) {
          ZipReader.Entry ids = arrays.get("ids.npy");
          StoredImages dataset =
              dataset(where, array(zip, images, limits), array(zip, labels, limits), limits);
          return ids != null && names[0].equals("images")
              ? withIds(dataset, array(zip, ids, limits))
              : dataset;
        }
      }
      throw new DataException(
          where,
          "arrays images and labels, x and y, or x_" + part + " and y_" + part,
          "the entries "
              + DataException.quote(
                  zip.entries().stream().map(ZipReader.Entry::name).toList() + ""));
    }
  }

  /**
   * Reads two NPY files.
   *
   * @param images the images
   * @param labels the labels
   * @param limits what to accept
   * @return the data set
   * @throws DataException if a file is damaged, or they do not fit
   */
  public static Dataset read(Path images, Path labels, Limits limits) {
    try (Input imageInput = Input.open(images, limits);
        Input labelInput = Input.open(labels, limits)) {
      Npy pixels = Npy.read(imageInput, limits);
      return dataset(images.toString(), pixels, Npy.read(labelInput, limits), limits);
    }
  }

  /**
   * Writes images (uint8 where that loses nothing, else float32), labels (int64) and ids (int64) as
   * an NPZ, which is there whole or not at all. Class names are not kept.
   *
   * @param dataset what to write
   * @param file the NPZ
   * @throws DataException if the file cannot be written
   */
  public static void write(Dataset dataset, Path file) {
    ImageShape image = dataset.image();
    long n = dataset.size();
    int each = Math.toIntExact(image.floats());
    float[] values = new float[each];
    PixelBytes bytes = new PixelBytes(dataset);
    boolean exact = bytes.exact();
    AtomicFile.write(
        file,
        raw -> {
          try (ZipOutputStream zip = new ZipOutputStream(raw)) {
            zip.setLevel(1);
            begin(zip, "images");
            String type = exact ? "|u1" : "<f4";
            zip.write(Npy.header(type, n, image.height(), image.width(), image.channels()));
            ByteBuffer floats = ByteBuffer.allocate(4 * each).order(ByteOrder.LITTLE_ENDIAN);
            for (long i = 0; i < n; i++) {
              if (exact) {
                zip.write(bytes.of(i));
              } else {
                dataset.pixels(i, MemorySegment.ofArray(values), 0);
                floats.asFloatBuffer().put(values);
                zip.write(floats.array());
              }
            }
            zip.closeEntry();
            begin(zip, "labels");
            zip.write(Npy.header("<i8", n));
            for (long i = 0; i < n; i++) {
              write(zip, dataset.label(i));
            }
            zip.closeEntry();
            begin(zip, "ids");
            zip.write(Npy.header("<i8", n));
            for (long i = 0; i < n; i++) {
              write(zip, dataset.id(i));
            }
            zip.closeEntry();
          }
        });
  }

  private static void begin(ZipOutputStream zip, String name) throws IOException {
    ZipEntry entry = new ZipEntry(name + ".npy");
    // The same data give the same file.
    entry.setTimeLocal(LocalDateTime.of(2000, 1, 1, 0, 0));
    zip.putNextEntry(entry);
  }

  private static void write(OutputStream out, long value) throws IOException {
    out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }

  private static String[][] names(String part) {
    String[][] byPart = {
      {"x_" + part, "y_" + part}, {part + "_images", part + "_labels"}, {"X_" + part, "y_" + part}
    };
    String[][] all = {
      {"images", "labels"},
      {"x", "y"},
      {"X", "y"},
      {"data", "labels"},
      byPart[0],
      byPart[1],
      byPart[2]
    };
    return part.equals("train") ? all : byPart;
  }

  private static Npy array(ZipReader zip, ZipReader.Entry entry, Limits limits) {
    try (Input in = zip.read(entry)) {
      return Npy.read(in, limits);
    }
  }

  private static StoredImages dataset(String where, Npy images, Npy labels, Limits limits) {
    long[] shape = images.shape();
    long count = shape.length == 0 ? 0 : shape[0];
    if (shape.length < 2 || shape.length > 4) {
      throw new DataException(
          images.where(), "images as N×H×W, N×H×W×C or N rows", shape.length + " dimensions");
    }
    boolean rows = shape.length == 2;
    int most = limits.imageSide();
    if (rows && (shape[1] < 1 || shape[1] > 3L * most * most || shape[1] > Integer.MAX_VALUE)) {
      throw new DataException(images.where(), "rows of some values", shape[1] + " values");
    }
    ImageShape row = rows ? ImageShape.ofRow((int) shape[1]) : new ImageShape(1, 1, 1);
    long height = rows ? row.height() : shape[1];
    long width = rows ? row.width() : shape[2];
    long channels = rows ? row.channels() : shape.length == 4 ? shape[3] : 1;
    if (!rows || row.height() > 1) {
      limits.imageBytes(images.where(), count, height, width, channels, 4);
    }
    ImageShape image = new ImageShape((int) height, (int) width, (int) channels);
    boolean column = labels.shape().length == 2 && labels.shape()[1] == 1;
    if (labels.shape().length != 1 && !column || labels.count() != count || !labels.isWhole()) {
      throw new DataException(
          labels.where(),
          count + " labels, whole numbers",
          labels.count() + " values of type " + labels.kind() + labels.bytes());
    }
    MemorySegment classes = Memory.allocate(where, count * 4);
    int last = -1;
    for (long i = 0; i < count; i++) {
      long label = labels.whole(i);
      if (label < 0 || label >= limits.classes()) {
        throw new DataException(
            labels.where(), "labels from 0 to " + (limits.classes() - 1), label + " at " + i);
      }
      classes.setAtIndex(ValueLayout.JAVA_INT, i, (int) label);
      last = Math.max(last, (int) label);
    }
    List<String> names = StoredImages.numbered(last + 1);
    if (images.kind() == 'u' && images.bytes() == 1) {
      return StoredImages.ofBytes(where, image, names, images.data(), classes);
    }
    MemorySegment values = Memory.allocate(where, Math.multiplyExact(images.count(), 4L));
    Scale scale = new Scale();
    for (long i = 0; i < images.count(); i++) {
      double value = images.real(i);
      scale.see(value);
      values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value);
    }
    return scale.store(images.where(), image, names, values, classes);
  }

  private static StoredImages withIds(StoredImages dataset, Npy ids) {
    if (!ids.isWhole() || ids.shape().length != 1 || ids.count() != dataset.size()) {
      throw new DataException(
          ids.where(), dataset.size() + " ids, whole numbers", ids.count() + " values");
    }
    MemorySegment out = Memory.allocate(ids.where(), ids.count() * 8);
    Set<Long> seen = new HashSet<>();
    for (long i = 0; i < ids.count(); i++) {
      long id = ids.whole(i);
      if (id < 0 || !seen.add(id)) {
        throw new DataException(ids.where(), "different ids from 0", id + " at " + i);
      }
      out.setAtIndex(ValueLayout.JAVA_LONG, i, id);
    }
    return dataset.withIds(out);
  }
}
