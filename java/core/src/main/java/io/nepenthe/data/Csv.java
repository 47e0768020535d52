package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Comma-separated values, one image a line: a label and its pixels, H·W·C. A first line of names is
 * recognised by having a word where numbers stand, or by the name of the label before columns that
 * are only numbered; the label is the column named label, class, target or y, else the first.
 * Labels are whole numbers from 0, or words, which are numbered in the order of the alphabet.
 * Pixels are all from 0 to 1 or all whole from 0 to 255; as many as a square (or three) make a
 * square image, others one row. A field may stand in double quotes if it contains none. The file
 * may be compressed by gzip.
 */
public final class Csv {
  private static final Set<String> LABEL_NAMES = Set.of("label", "class", "target", "y");

  private final Input in;
  private final Limits limits;
  private final Map<String, Integer> labels = new LinkedHashMap<>();
  private final Scale scale = new Scale();
  private final byte[] chunk = new byte[1 << 16];
  private byte[] line = new byte[1 << 12];
  private int lineLength;
  private int chunkAt;
  private int chunkEnd;
  private long lineNumber;

  private Csv(Input in, Limits limits) {
    this.in = in;
    this.limits = limits;
  }

  /**
   * Reads a file.
   *
   * @param file the file
   * @param limits what to accept
   * @return the data set
   * @throws DataException if a line has another number of fields than the first or a field that is
   *     no number, or the pixels are not within their range
   */
  public static Dataset read(Path file, Limits limits) {
    try (Input in = Input.open(file, limits);
        GrowingBytes values = new GrowingBytes(in.where());
        GrowingBytes keys = new GrowingBytes(in.where())) {
      return new Csv(in, limits).dataset(values, keys);
    }
  }

  private Dataset dataset(GrowingBytes values, GrowingBytes keys) {
    int columns = 0;
    int labelColumn = 0;
    ByteBuffer row = ByteBuffer.allocate(0);
    ByteBuffer key = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
    long count = 0;
    while (nextLine()) {
      if (columns == 0) {
        List<String> first = fields();
        columns = first.size();
        if (columns < 2) {
          throw new DataException(place(), "a label and pixels, by commas", columns + " field");
        }
        row = ByteBuffer.allocate((columns - 1) * 4).order(ByteOrder.nativeOrder());
        if (isHeader(first)) {
          labelColumn = labelColumn(first);
          continue;
        }
      }
      row.clear();
      key.putInt(0, parse(columns, labelColumn, row));
      count++;
      limits.imageBytes(in.where(), count, 1, 1, 1, row.capacity());
      values.append(row.array(), row.capacity());
      keys.append(key.array(), 4);
    }
    if (count == 0) {
      throw new DataException(in.where(), "at least one line of numbers", "none");
    }
    int[] numbers = new int[labels.size()];
    List<String> classes = classes(numbers);
    MemorySegment out = Memory.allocate(in.where(), count * 4);
    for (long i = 0; i < count; i++) {
      int label = numbers[keys.view().getAtIndex(ValueLayout.JAVA_INT, i)];
      out.setAtIndex(ValueLayout.JAVA_INT, i, label);
    }
    ImageShape shape = ImageShape.ofRow(columns - 1);
    return scale.store(in.where(), shape, classes, values.copy(), out);
  }

  /** Puts the pixels of the current line into {@code row}; gives the number of its label's word. */
  private int parse(int columns, int labelColumn, ByteBuffer row) {
    int column = 0;
    int start = 0;
    int key = 0;
    for (int end = 0; end <= lineLength; end++) {
      if (end == lineLength || line[end] == ',') {
        if (column == labelColumn) {
          String word = field(start, end);
          if (word.isEmpty()) {
            throw new DataException(place(), "a label in field " + (column + 1), "nothing");
          }
          key = labels.computeIfAbsent(word, w -> labels.size());
          if (labels.size() > limits.classes()) {
            throw new DataException(place(), "at most " + limits.classes() + " classes", "more");
          }
        } else if (column < columns) {
          double value = number(start, end, column);
          scale.see(value);
          row.putFloat((float) value);
        }
        column++;
        start = end + 1;
      }
    }
    if (column != columns) {
      throw new DataException(place(), columns + " fields as in the first line", column + "");
    }
    return key;
  }

  private double number(int start, int end, int column) {
    int value = 0;
    if (end - start >= 1 && end - start <= 8) {
      int at = start;
      while (at < end && line[at] >= '0' && line[at] <= '9') {
        value = value * 10 + line[at++] - '0';
      }
      if (at == end) {
        return value;
      }
    }
    String word = field(start, end);
    if (!isNumber(word)) {
      throw new DataException(
          place(), "a number in field " + (column + 1), DataException.quote(word));
    }
    return Double.parseDouble(word);
  }

  /** Decimal digits with point and exponent; not the other things that Java takes for numbers. */
  private static boolean isNumber(String word) {
    int at = word.startsWith("-") || word.startsWith("+") ? 1 : 0;
    int digits = 0;
    boolean point = false;
    for (; at < word.length(); at++) {
      char c = word.charAt(at);
      if (c == '.' && !point) {
        point = true;
      } else if (c >= '0' && c <= '9') {
        digits++;
      } else {
        break;
      }
    }
    return digits > 0 && (at == word.length() || word.substring(at).matches("[eE][-+]?[0-9]{1,4}"));
  }

  private boolean isHeader(List<String> first) {
    int words = 0;
    for (String field : first) {
      words += isNumber(field) ? 0 : 1;
    }
    return words > 1
        || words == 1 && isNumber(first.getFirst())
        || isLabelName(first.getFirst()) && areNumbered(first.subList(1, first.size()));
  }

  /** Whether these are 0, 1, 2, … or 1, 2, 3, …: columns that have no names of their own. */
  private static boolean areNumbered(List<String> names) {
    int start = names.getFirst().equals("0") ? 0 : 1;
    for (int i = 0; i < names.size(); i++) {
      if (!names.get(i).equals(Integer.toString(start + i))) {
        return false;
      }
    }
    return true;
  }

  private static int labelColumn(List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      if (isLabelName(names.get(i))) {
        return i;
      }
    }
    return 0;
  }

  private static boolean isLabelName(String name) {
    return LABEL_NAMES.contains(name.toLowerCase(Locale.ROOT));
  }

  /** The class of every word, and the names of the classes. */
  private List<String> classes(int[] numbers) {
    List<String> words = new ArrayList<>(labels.keySet());
    if (words.stream().allMatch(word -> word.matches("[0-9]{1,9}"))) {
      int most = -1;
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = Integer.parseInt(words.get(i));
        most = Math.max(most, numbers[i]);
      }
      if (most >= limits.classes()) {
        throw new DataException(
            in.where(), "labels from 0 to " + (limits.classes() - 1), "" + most);
      }
      return StoredImages.numbered(most + 1);
    }
    List<String> sorted = words.stream().sorted().toList();
    for (int i = 0; i < sorted.size(); i++) {
      numbers[labels.get(sorted.get(i))] = i;
    }
    return sorted;
  }

  private List<String> fields() {
    List<String> fields = new ArrayList<>();
    int start = 0;
    for (int end = 0; end <= lineLength; end++) {
      if (end == lineLength || line[end] == ',') {
        fields.add(field(start, end));
        start = end + 1;
      }
    }
    return fields;
  }

  private String field(int start, int end) {
    String text = new String(line, start, end - start, StandardCharsets.UTF_8).strip();
    boolean quoted = text.length() > 1 && text.startsWith("\"") && text.endsWith("\"");
    String word = quoted ? text.substring(1, text.length() - 1) : text;
    if (word.indexOf('"') >= 0) {
      throw new DataException(place(), "fields without quotes inside", DataException.quote(text));
    }
    return word;
  }

  private String place() {
    return in.where() + ", line " + lineNumber;
  }

  /** Moves to the next line that is not blank. */
  private boolean nextLine() {
    while (true) {
      lineLength = 0;
      int c = next();
      if (c < 0) {
        return false;
      }
      lineNumber++;
      for (; c >= 0 && c != '\n'; c = next()) {
        if (lineLength == line.length) {
          if (lineLength >= limits.entryBytes()) {
            throw new DataException(
                place(), "a line of at most " + limits.entryBytes() + " bytes", "a longer one");
          }
          line = Arrays.copyOf(line, 2 * lineLength);
        }
        line[lineLength++] = (byte) c;
      }
      if (lineLength > 0 && line[lineLength - 1] == '\r') {
        lineLength--;
      }
      boolean mark = lineNumber == 1 && Input.startsWith(line, 0xef, 0xbb, 0xbf);
      if (mark && lineLength >= 3) {
        lineLength -= 3;
        System.arraycopy(line, 3, line, 0, lineLength);
      }
      if (lineLength > 0) {
        return true;
      }
    }
  }

  private int next() {
    if (chunkAt == chunkEnd) {
      chunkEnd = in.some(chunk, "a line");
      chunkAt = 0;
      if (chunkEnd <= 0) {
        chunkEnd = 0;
        return -1;
      }
    }
    return chunk[chunkAt++] & 0xff;
  }
}
