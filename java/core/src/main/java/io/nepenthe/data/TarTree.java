package io.nepenthe.data;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Predicate;

/**
 * The files in a tar, perhaps compressed by gzip, read once from front to back. It knows POSIX
 * ustar and pax headers and GNU's long names; sparse files, links and devices are refused. (Source:
 * POSIX.1, pax, "ustar Interchange Format" and "pax Header Block".)
 */
record TarTree(Path file, Limits limits) implements FileTree {
  private static final int BLOCK = 512;
  private static final int MOST_NAME = 1 << 16;

  @Override
  public void forEach(Predicate<String> wanted, Visitor visitor) {
    try (Input in = Input.open(file, limits)) {
      String where = in.where();
      String longName = "";
      long longSize = -1;
      for (long entries = 0; ; entries++) {
        byte[] header = in.read(BLOCK, "a tar header, or the end-of-archive block");
        if (isZero(header)) {
          in.drain("the end of the archive");
          return;
        }
        if (entries > limits.entries()) {
          throw new DataException(where, "at most " + limits.entries() + " entries", "more");
        }
        checkSum(where, header);
        char type = (char) (header[156] & 0xff);
        long size = number(where, header, 124, 12);
        if (type == 'x' || type == 'L') {
          byte[] text = contents(in, size, MOST_NAME, "an extended header");
          if (type == 'L') {
            longName = string(text, 0, text.length);
          } else {
            longName = pax(where, text, "path", longName);
            String given = pax(where, text, "size", "");
            longSize = given.isEmpty() ? longSize : decimal(where, given);
          }
        } else if (type == 'g' || type == 'K') {
          contents(in, size, MOST_NAME, "an extended header");
        } else {
          String name = longName.isEmpty() ? name(header) : longName;
          size = longSize < 0 ? size : longSize;
          longName = "";
          longSize = -1;
          entry(in, type, name, size, wanted, visitor);
        }
      }
    }
  }

  private void entry(
      Input in, char type, String name, long size, Predicate<String> wanted, Visitor visitor) {
    String where = in.where() + "!/" + DataException.quote(name);
    String path = FileTree.checkedPath(in.where(), name);
    boolean regular = (type == '0' || type == '\0' || type == '7') && !name.endsWith("/");
    boolean folder = type == '5' || name.endsWith("/") && (type == '0' || type == '\0');
    if (!regular && !folder) {
      String found =
          switch (type) {
            case '1' -> "a hard link";
            case '2' -> "a symbolic link";
            case '3', '4', '6' -> "a device";
            default -> "an entry of type " + DataException.quote(String.valueOf(type));
          };
      throw new DataException(where, "only files and folders in the archive", found);
    }
    if (regular && wanted.test(path)) {
      byte[] bytes = contents(in, size, limits.entryBytes(), "the file");
      visitor.visit(in.where() + "!/" + path, path, bytes);
    } else {
      in.skip(padded(in.where(), size), "the contents of " + name);
    }
  }

  private static byte[] contents(Input in, long size, long limit, String what) {
    if (size > limit) {
      throw new DataException(
          in.where(), what + " of at most " + limit + " bytes", size + " bytes");
    }
    byte[] bytes = in.read((int) size, what);
    in.skip(padded(in.where(), size) - size, "padding");
    return bytes;
  }

  private static long padded(String where, long size) {
    if (size < 0 || size > Long.MAX_VALUE - BLOCK) {
      throw new DataException(where, "a tar entry's size", Long.toString(size));
    }
    return Math.ceilDiv(size, BLOCK) * BLOCK;
  }

  private static boolean isZero(byte[] block) {
    for (byte b : block) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  private static void checkSum(String where, byte[] header) {
    long sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += i >= 148 && i < 156 ? ' ' : header[i] & 0xff;
    }
    String digits = string(header, 148, 8).strip();
    if (!digits.matches("[0-7]{1,7}") || Long.parseLong(digits, 8) != sum) {
      throw new DataException(
          where, "a folder, zip, tar or tar.gz; a tar header with its checksum", "another block");
    }
  }

  /** Octal digits, or, if the top bit is set, a big-endian number (GNU). */
  private static long number(String where, byte[] header, int from, int length) {
    if ((header[from] & 0xff) == 0x80) {
      long value = 0;
      for (int i = from + 1; i < from + length; i++) {
        if (value >>> 54 != 0) {
          throw new DataException(where, "a number below 2^62 in a tar header", "a larger one");
        }
        value = value << 8 | header[i] & 0xff;
      }
      return value;
    }
    String digits = string(header, from, length).strip();
    if (!digits.matches("[0-7]{0,12}")) {
      throw new DataException(where, "octal digits in a tar header", DataException.quote(digits));
    }
    return digits.isEmpty() ? 0 : Long.parseLong(digits, 8);
  }

  private static String name(byte[] header) {
    String name = string(header, 0, 100);
    boolean posix = Arrays.equals(header, 257, 263, new byte[] {'u', 's', 't', 'a', 'r', 0}, 0, 6);
    String prefix = posix ? string(header, 345, 155) : "";
    return prefix.isEmpty() ? name : prefix + "/" + name;
  }

  /** The text before the first zero byte. */
  private static String string(byte[] bytes, int from, int length) {
    int end = from;
    while (end < from + length && bytes[end] != 0) {
      end++;
    }
    ByteBuffer text = ByteBuffer.wrap(bytes, from, end - from);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(text).toString();
    } catch (CharacterCodingException e) {
      return new String(bytes, from, end - from, StandardCharsets.ISO_8859_1);
    }
  }

  /** The last value of a key among records "LENGTH KEY=VALUE\n". */
  private static String pax(String where, byte[] text, String key, String otherwise) {
    String value = otherwise;
    for (int at = 0; at < text.length; ) {
      int space = at;
      while (space < text.length && space - at < 6 && text[space] >= '0' && text[space] <= '9') {
        space++;
      }
      int length = space == at ? 0 : Integer.parseInt(string(text, at, space - at));
      int end = at + length;
      if (space == text.length
          || text[space] != ' '
          || end <= space + 1
          || end > text.length
          || text[end - 1] != '\n') {
        throw new DataException(where, "pax records \"LENGTH KEY=VALUE\"", "a record at " + at);
      }
      String record = string(text, space + 1, end - 1 - (space + 1));
      if (record.startsWith("GNU.sparse.")) {
        throw new DataException(where, "only plain files in the archive", "a sparse file");
      }
      if (record.startsWith(key + "=")) {
        value = record.substring(key.length() + 1);
      }
      at = end;
    }
    return value;
  }

  private static long decimal(String where, String digits) {
    if (!digits.matches("[0-9]{1,18}")) {
      throw new DataException(where, "a decimal size in a pax header", DataException.quote(digits));
    }
    return Long.parseLong(digits);
  }
}
