package io.nepenthe.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Lists of ids as text: one decimal number a line; blank lines are skipped. */
public final class IdList {
  /** What one array holds. */
  private static final int MOST = Integer.MAX_VALUE - 8;

  /** A number and many spaces. */
  private static final int LONGEST_LINE = 1 << 12;

  private IdList() {}

  /**
   * Reads a list.
   *
   * @param file the text file
   * @return the ids in the order of the file
   * @throws DataException if the file cannot be read, a line is not a number from 0 to 2⁶³ − 1, or
   *     there are more ids than memory can hold
   */
  public static long[] read(Path file) {
    return read(file, MOST);
  }

  /**
   * Reads a list of which the length is bounded.
   *
   * @param file the text file
   * @param most how many ids there can be; a longer list is read no further
   * @return the ids in the order of the file
   * @throws DataException as {@link #read(Path)}, and if there are more
   */
  public static long[] read(Path file, long most) {
    Reader reader = new Reader(file, most);
    try (Input in = Input.open(file, Limits.DEFAULT)) {
      byte[] chunk = new byte[1 << 16];
      for (int got; (got = in.some(chunk, "a list of ids")) > 0; ) {
        reader.take(chunk, got);
      }
      return reader.end();
    } catch (OutOfMemoryError e) {
      throw new DataException(
          file.toString(),
          "ids that memory can hold (-Xmx sets the limit)",
          "more than " + reader.count + " in " + size(file),
          e);
    }
  }

  private static String size(Path file) {
    try {
      return Files.size(file) + " bytes";
    } catch (IOException e) {
      return "a file that is gone";
    }
  }

  /** Finds lines in chunks. */
  private static final class Reader {
    private final Path file;
    private final long most;
    private long[] ids = new long[16];
    private int count;
    private long line = 1;
    private byte[] text = new byte[32];
    private int length;

    Reader(Path file, long most) {
      this.file = file;
      this.most = Math.min(most, MOST);
    }

    void take(byte[] chunk, int size) {
      int start = 0;
      for (int at = 0; at < size; at++) {
        if (chunk[at] == '\n') {
          append(chunk, start, at);
          finishLine();
          start = at + 1;
        }
      }
      append(chunk, start, size);
    }

    private void append(byte[] chunk, int from, int to) {
      int longer = length + to - from;
      if (longer > text.length) {
        text = Arrays.copyOf(text, Math.max(longer, 2 * length));
      }
      System.arraycopy(chunk, from, text, length, to - from);
      length = longer;
      if (length > LONGEST_LINE) {
        throw wrong(file, line, new String(text, 0, length, StandardCharsets.ISO_8859_1));
      }
    }

    private void finishLine() {
      String word = new String(text, 0, length, StandardCharsets.ISO_8859_1).strip();
      if (!word.isEmpty()) {
        if (count == most) {
          throw new DataException(file.toString(), "at most " + most + " ids", "more");
        }
        if (count == ids.length) {
          ids = Arrays.copyOf(ids, (int) Math.min(2L * count, most));
        }
        ids[count++] = parse(file, line, word);
      }
      line++;
      length = 0;
    }

    long[] end() {
      finishLine();
      return count == ids.length ? ids : Arrays.copyOf(ids, count);
    }
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

  private static long parse(Path file, long line, String word) {
    try {
      if (Character.isDigit(word.charAt(0))) {
        return Long.parseLong(word);
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw wrong(file, line, word);
  }

  private static DataException wrong(Path file, long line, String word) {
    return new DataException(
        file + ", line " + line, "an id: a decimal number from 0", DataException.quote(word));
  }
}
