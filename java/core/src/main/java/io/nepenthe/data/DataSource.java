package io.nepenthe.data;

import java.nio.file.Path;
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
 * </table>
 *
 * <p>Each may end in {@code #FIRST-LAST}, the positions from FIRST to LAST, both included, counted
 * from 0; or in {@code #@FILE}, the ids listed in a file, one decimal number a line ({@link
 * IdList}).
 */
public final class DataSource {
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
    int hash = spec.lastIndexOf('#');
    Dataset whole = whole(spec, hash < 0 ? spec : spec.substring(0, hash), seed, limits);
    return hash < 0 ? whole : subset(spec, whole, spec.substring(hash + 1));
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
      default ->
          throw new DataException(
              spec,
              "glyphs: or idx:",
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

  private static Path path(String text) {
    if (text.isEmpty() || text.indexOf('\0') >= 0) {
      throw new DataException(DataException.quote(text), "the name of a file", "none");
    }
    return Path.of(text);
  }

  private static Dataset subset(String spec, Dataset whole, String wanted) {
    if (wanted.startsWith("@")) {
      return Subset.ofIds(whole, IdList.read(path(wanted.substring(1))));
    }
    if (!wanted.matches("[0-9]{1,18}-[0-9]{1,18}")) {
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
