package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;

/**
 * JPEG and PNG files in one folder a class, {@code CLASS/…/NAME.png}, below a folder or in a zip,
 * tar or tar.gz. Classes are numbered in the order of their names, images in the order of class,
 * then path, so the same files make the same data set however they are packed. Files with other
 * endings, hidden files and {@code __MACOSX} are passed over. Links in a folder are followed.
 *
 * <p>All images must be of one size. They are grey if every one of them is; otherwise grey ones get
 * three equal channels.
 */
public final class ImageFolder {
  private record Place(String label, String path, long position) {}

  private final String where;
  private final String below;
  private final Limits limits;
  private final List<Place> places = new ArrayList<>();
  private ImageShape shape = new ImageShape(1, 1, 1);
  private GrowingBytes pixels;

  private ImageFolder(String where, String below, Limits limits) {
    this.where = where;
    this.below = below;
    this.limits = limits;
    this.pixels = new GrowingBytes(where);
  }

  /**
   * Reads a folder or archive of images.
   *
   * @param place the folder or archive
   * @param below the folder in it that holds the classes, names joined by /; empty for the place
   *     itself
   * @param limits what to accept
   * @return the data set; one byte a value
   * @throws DataException if there are no images, one of them cannot be decoded or has another
   *     size, or the place is damaged or hostile
   */
  public static Dataset read(Path place, String below, Limits limits) {
    String prefix = FileTree.checkedPath(place.toString(), below);
    String where = below.isEmpty() ? place.toString() : place + "!/" + prefix;
    FileTree tree = FileTree.open(place, limits);
    ImageFolder folder = new ImageFolder(where, prefix.isEmpty() ? "" : prefix + "/", limits);
    try (ImageDecoder decoder = new ImageDecoder(limits)) {
      tree.forEach(folder::isImage, (name, path, bytes) -> folder.add(decoder, name, path, bytes));
      return folder.dataset();
    } finally {
      folder.pixels.close();
    }
  }

  private boolean isImage(String path) {
    String name = path.toLowerCase(Locale.ROOT);
    return path.startsWith(below)
        && (name.endsWith(".png") || name.endsWith(".jpg") || name.endsWith(".jpeg"))
        && !("/" + path).contains("/.")
        && !path.startsWith("__MACOSX/");
  }

  private void add(ImageDecoder decoder, String name, String path, byte[] bytes) {
    String rest = path.substring(below.length());
    int slash = rest.indexOf('/');
    if (slash < 1) {
      throw new DataException(name, "images in one folder a class", "an image in none");
    }
    boolean first = places.isEmpty();
    ImageDecoder.Decoded image =
        decoder.decode(name, bytes, first ? 0 : shape.height(), first ? 0 : shape.width());
    byte[] values = image.bytes();
    if (first) {
      shape = image.shape();
    } else if (image.shape().channels() > shape.channels()) {
      colour();
    } else if (image.shape().channels() < shape.channels()) {
      values = tripled(values);
    }
    limits.imageBytes(
        where, places.size() + 1L, shape.height(), shape.width(), shape.channels(), 1);
    pixels.append(values, values.length);
    places.add(new Place(rest.substring(0, slash), rest, places.size()));
  }

  /** The first image in colour: gives those before it three channels. */
  private void colour() {
    byte[] grey = new byte[Math.toIntExact(shape.floats())];
    shape = new ImageShape(shape.height(), shape.width(), 3);
    limits.imageBytes(where, places.size(), shape.height(), shape.width(), 3, 1);
    GrowingBytes wider = new GrowingBytes(where);
    for (int i = 0; i < places.size(); i++) {
      MemorySegment.copy(
          pixels.view(), ValueLayout.JAVA_BYTE, (long) i * grey.length, grey, 0, grey.length);
      wider.append(tripled(grey), 3 * grey.length);
    }
    pixels.close();
    pixels = wider;
  }

  private static byte[] tripled(byte[] grey) {
    byte[] out = new byte[3 * grey.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = grey[i / 3];
    }
    return out;
  }

  private Dataset dataset() {
    if (places.isEmpty()) {
      throw new DataException(where, "CLASS/NAME.png or .jpg", "no such file");
    }
    places.sort(Comparator.comparing(Place::label).thenComparing(Place::path));
    TreeSet<String> names = new TreeSet<>();
    places.forEach(place -> names.add(place.label()));
    if (names.size() > limits.classes()) {
      throw new DataException(where, "at most " + limits.classes() + " classes", "" + names.size());
    }
    List<String> classes = List.copyOf(names);
    long each = shape.floats();
    MemorySegment sorted = Memory.allocate(where, places.size() * each);
    MemorySegment labels = Memory.allocate(where, places.size() * 4L);
    int label = 0;
    for (int i = 0; i < places.size(); i++) {
      Place place = places.get(i);
      if (i > 0 && place.path().equals(places.get(i - 1).path())) {
        throw new DataException(where, "every file once", place.path() + " twice");
      }
      label += place.label().equals(classes.get(label)) ? 0 : 1;
      MemorySegment.copy(pixels.view(), place.position() * each, sorted, i * each, each);
      labels.setAtIndex(ValueLayout.JAVA_INT, i, label);
    }
    return StoredImages.ofBytes(where, shape, classes, sorted, labels);
  }
}
