package io.nepenthe.data;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** Lists of ids as text: one decimal number a line; blank lines are skipped. */
public final class IdList {
  private IdList() {}

  /**
   * Reads a list.
   *
   * @param file the text file
   * @return the ids in the order of the file
   * @throws DataException if the file cannot be read, or a line is not a number from 0 to 2⁶³ − 1
   */
  public static long[] read(Path file) {
    byte[] text;
    try (Input in = Input.open(file, Limits.DEFAULT)) {
      text = in.rest(1 << 30, "a list of ids");
    }
    long[] ids = new long[16];
    int count = 0;
    int line = 1;
    int start = 0;
    for (int end = 0; end <= text.length; end++) {
      if (end == text.length || text[end] == '\n') {
        String word = new String(text, start, end - start, StandardCharsets.ISO_8859_1).strip();
        if (!word.isEmpty()) {
          if (count == ids.length) {
            ids = Arrays.copyOf(ids, 2 * count);
          }
          ids[count++] = parse(file, line, word);
        }
        line++;
        start = end + 1;
      }
    }
    return Arrays.copyOf(ids, count);
  }

  /**
   * Writes a list; the file is there whole or not at all.
   *
   * @param file the text file
   * @param ids in the order to be written
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, long[] ids) {
    AtomicFile.write(
        file,
        out -> {
          for (long id : ids) {
            out.write((id + "\n").getBytes(StandardCharsets.US_ASCII));
          }
        });
  }

  private static long parse(Path file, int line, String word) {
    try {
      if (Character.isDigit(word.charAt(0))) {
        return Long.parseLong(word);
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new DataException(
        file + ", line " + line, "an id: a decimal number from 0", DataException.quote(word));
  }
}
