package io.nepenthe.data;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/**
 * Data that cannot be read or written. The message is one line that names the file (and the entry
 * in it), what was expected and what was found, fit to be shown to a person as it is.
 */
public final class DataException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * A complaint about one place.
   *
   * @param where the file, and the entry or line in it
   * @param expected what should have been there
   * @param found what was there instead
   */
  public DataException(String where, String expected, String found) {
    super(message(where, expected, found));
  }

  /**
   * A complaint about one place that another failure caused.
   *
   * @param where the file, and the entry or line in it
   * @param expected what should have been there
   * @param found what was there instead
   * @param cause the failure that revealed it
   */
  public DataException(String where, String expected, String found, Throwable cause) {
    super(message(where, expected, found), cause);
  }

  /** The failure of an attempt to read or write {@code where}, in the words of the system. */
  static DataException io(String where, String expected, IOException cause) {
    String found =
        switch (cause) {
          case NoSuchFileException e -> "no such file";
          case AccessDeniedException e -> "permission denied";
          case FileSystemException e when e.getReason() != null -> e.getReason();
          default ->
              cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
        };
    return new DataException(where, expected, found, cause);
  }

  /** Text from a file, fit for a message: printable, at most 60 characters. */
  static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    text.codePoints()
        .limit(60)
        .forEach(
            c ->
                out.appendCodePoint(
                    Character.isISOControl(c) || c >= 0xd800 && c < 0xe000 ? '?' : c));
    return out.append(text.codePointCount(0, text.length()) > 60 ? "…\"" : "\"").toString();
  }

  private static String message(String where, String expected, String found) {
    // Names in archives and words in files may hold anything; a message is one line.
    return (where + ": expected " + expected + ", found " + found).replaceAll("\\p{Cntrl}", "?");
  }
}
