package io.nepenthe.data;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Opens data sets by one argument, as every command takes it:
 *
 * <table>
 * <caption>Forms</caption>
 * <tr><td>{@code glyphs:train}, {@code glyphs:test}</td><td>{@link Glyphs}, 10,000 and 2,000 digits;
 *     {@code glyphs:train/5000} another number; {@code glyphs:train/5000/letters} or {@code /all}
 *     another alphabet</td></tr>
 * <tr><td>{@code idx:IMAGES[,LABELS]}</td><td>{@link Idx}; labels are found by name if not
 *     given</td></tr>
 * <tr><td>{@code cifar10:DIR}</td><td>{@link Cifar10}'s training images; {@code cifar10:DIR/test}
 *     its test images; DIR may be the archive as downloaded</td></tr>
 * <tr><td>{@code images:DIR-or-ARCHIVE[!/SUBDIR]}</td><td>{@link ImageFolder}: a folder, zip, tar or
 *     tar.gz of JPEG or PNG files, one folder a class, below SUBDIR if given</td></tr>
 * <tr><td>{@code npz:FILE}, {@code npz:FILE!/test}</td><td>{@link Npz}: images and labels</td></tr>
 * <tr><td>{@code npy:IMAGES,LABELS}</td><td>two NPY files, as {@link Npz} takes their
 *     arrays</td></tr>
 * <tr><td>{@code csv:FILE}</td><td>{@link Csv}: a label and pixels a line</td></tr>
 * </table>
 *
 * <p>Each may end in {@code #FIRST-LAST}, the positions from FIRST to LAST, both included, counted
 * from 0; or in {@code #@FILE}, the ids listed in a file, one decimal number a line ({@link
 * IdList}). Another # is part of a file's name.
 */
public final class DataSource {
  private static final String RANGE = "[0-9]{1,18}-[0-9]{1,18}";

  private DataSource() {}

  /**
   * Opens a data set within the {@linkplain Limits#DEFAULT default limits}.
   *
   * @param spec the argument, as above
   * @param seed decides what is generated; files do not depend on it
   * @return the data set
   * @throws DataException if the argument has none of the forms, or its files are missing or wrong
   */
  public static Dataset open(String spec, long seed) {
    return open(spec, seed, Limits.DEFAULT);
  }

  /**
   * Opens a data set.
   *
   * @param spec the argument, as above
   * @param seed decides what is generated; files do not depend on it
   * @param limits what to accept
   * @return the data set
   * @throws DataException if the argument has none of the forms, or its files are missing or wrong
   */
  public static Dataset open(String spec, long seed, Limits limits) {
    int hash = hash(spec);
    try {
      Dataset whole = whole(spec, hash < 0 ? spec : spec.substring(0, hash), seed, limits);
      return hash < 0 ? whole : subset(spec, whole, spec.substring(hash + 1));
    } catch (OutOfMemoryError e) {
      throw new DataException(
          spec, "data that memory can hold (-Xmx sets the limit)", "" + e.getMessage(), e);
    }
  }

  /**
   * The files and folders that an argument names, those with a subset's ids among them; none for
   * what is generated. For records of what was read: they need not exist.
   *
   * @param spec the argument, as above
   * @return their paths, in the order of the argument
   */
  public static List<Path> files(String spec) {
    List<Path> files = new ArrayList<>();
    int hash = hash(spec);
    String source = hash < 0 ? spec : spec.substring(0, hash);
    String kind = source.substring(0, source.indexOf(':') + 1);
    String rest = source.substring(kind.length());
    switch (kind) {
      case "idx:", "npy:" -> {
        for (String file : rest.split(",", 2)) {
          files.add(path(file));
        }
        if (kind.equals("idx:") && files.size() == 1) {
          files.add(Idx.labelsOf(files.getFirst()));
        }
      }
      case "cifar10:", "images:", "npz:", "csv:" -> {
        int inside = rest.lastIndexOf("!/");
        Path place = path(inside < 0 ? rest : rest.substring(0, inside));
        boolean part = kind.equals("cifar10:") && !Files.exists(place);
        files.add(part ? place.toAbsolutePath().getParent() : place);
      }
      default -> {}
    }
    if (hash >= 0 && spec.startsWith("@", hash + 1)) {
      files.add(path(spec.substring(hash + 2)));
    }
    return List.copyOf(files);
  }

  /** Where the subset begins, -1 if there is none: a file's name may have a # of its own. */
  private static int hash(String spec) {
    int hash = spec.lastIndexOf('#');
    if (hash < 0 || spec.substring(hash + 1).matches("@.+|" + RANGE)) {
      return hash;
    }
    if (spec.contains("#@")) {
      return spec.lastIndexOf("#@");
    }
    String name = spec.substring(spec.indexOf(':') + 1).split(",|!/", 2)[0];
    return !name.isEmpty() && Files.exists(path(name)) ? -1 : hash;
  }

  private static Dataset whole(String spec, String source, long seed, Limits limits) {
    int colon = source.indexOf(':');
    String kind = colon < 0 ? "" : source.substring(0, colon);
    String rest = source.substring(colon + 1);
    if (colon >= 0 && rest.isEmpty()) {
      throw new DataException(spec, "something after \"" + kind + ":\"", "nothing");
    }
    return switch (kind) {
      case "glyphs" -> glyphs(spec, rest, seed);
      case "idx" -> idx(rest, limits);
      case "cifar10" -> cifar10(rest, limits);
      case "images" -> images(rest, limits);
      case "npz" -> npz(rest, limits);
      case "npy" -> npy(spec, rest, limits);
      case "csv" -> Csv.read(path(rest), limits);
      default ->
          throw new DataException(
              spec,
              "glyphs:, idx:, cifar10:, images:, npz:, npy: or csv:",
              kind.isEmpty() ? "no kind" : DataException.quote(kind + ":"));
    };
  }

  private static Dataset glyphs(String spec, String rest, long seed) {
    String[] words = rest.split("/", -1);
    Glyphs.Split split =
        switch (words[0]) {
          case "train" -> Glyphs.Split.TRAIN;
          case "test" -> Glyphs.Split.TEST;
          default -> throw glyphsForm(spec, words[0]);
        };
    long size = split == Glyphs.Split.TRAIN ? Glyphs.TRAIN_SIZE : Glyphs.TEST_SIZE;
    Glyphs.Alphabet alphabet = Glyphs.Alphabet.DIGITS;
    if (words.length > 3) {
      throw glyphsForm(spec, rest);
    }
    for (int i = 1; i < words.length; i++) {
      String word = words[i];
      if (word.equals("digits") || word.equals("letters") || word.equals("all")) {
        alphabet = Glyphs.Alphabet.valueOf(word.toUpperCase(Locale.ROOT));
      } else if (i == 1 && word.matches("[1-9][0-9]{0,8}")) {
        size = Long.parseLong(word);
      } else {
        throw glyphsForm(spec, word);
      }
    }
    return Glyphs.draw(alphabet, split, size, seed);
  }

  private static DataException glyphsForm(String spec, String found) {
    return new DataException(
        spec,
        "glyphs:train or glyphs:test, then /SIZE, then /digits, /letters or /all",
        DataException.quote(found));
  }

  private static Dataset idx(String rest, Limits limits) {
    int comma = rest.indexOf(',');
    Path images = path(comma < 0 ? rest : rest.substring(0, comma));
    Path labels = comma < 0 ? Idx.labelsOf(images) : path(rest.substring(comma + 1));
    return Idx.read(images, labels, limits);
  }

  private static Dataset cifar10(String rest, Limits limits) {
    Path place = path(rest);
    String last = place.getFileName() == null ? "" : place.getFileName().toString();
    boolean part = (last.equals("train") || last.equals("test")) && !Files.exists(place);
    return Cifar10.read(
        part ? place.toAbsolutePath().getParent() : place,
        part && last.equals("test") ? Cifar10.Part.TEST : Cifar10.Part.TRAIN,
        limits);
  }

  private static Dataset images(String rest, Limits limits) {
    int inside = rest.lastIndexOf("!/");
    return inside < 0
        ? ImageFolder.read(path(rest), "", limits)
        : ImageFolder.read(path(rest.substring(0, inside)), rest.substring(inside + 2), limits);
  }

  private static Dataset npz(String rest, Limits limits) {
    for (String part : List.of("train", "test")) {
      if (rest.endsWith("!/" + part)) {
        return Npz.read(path(rest.substring(0, rest.length() - part.length() - 2)), part, limits);
      }
    }
    return Npz.read(path(rest), "train", limits);
  }

  private static Dataset npy(String spec, String rest, Limits limits) {
    int comma = rest.indexOf(',');
    if (comma < 0) {
      throw new DataException(spec, "npy:IMAGES,LABELS", "no comma");
    }
    return Npz.read(path(rest.substring(0, comma)), path(rest.substring(comma + 1)), limits);
  }

  private static Path path(String text) {
    try {
      if (!text.isEmpty()) {
        return Path.of(text);
      }
    } catch (InvalidPathException e) {
      throw new DataException(DataException.quote(text), "the name of a file", e.getReason(), e);
    }
    throw new DataException("the data argument", "the name of a file", "none");
  }

  private static Dataset subset(String spec, Dataset whole, String wanted) {
    if (wanted.startsWith("@")) {
      return Subset.ofIds(whole, path(wanted.substring(1)));
    }
    if (!wanted.matches(RANGE)) {
      throw new DataException(
          spec, "#FIRST-LAST or #@FILE after the source", DataException.quote("#" + wanted));
    }
    int dash = wanted.indexOf('-');
    long first = Long.parseLong(wanted.substring(0, dash));
    long last = Long.parseLong(wanted.substring(dash + 1));
    if (first > last || last >= whole.size()) {
      throw new DataException(
          spec, "positions from 0 to " + (whole.size() - 1) + ", FIRST ≤ LAST", "#" + wanted);
    }
    return Subset.range(whole, first, last);
  }
}
