package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A page whose figures are written by a program: they stand between {@code <!-- NAME: begin -->}
 * and {@code <!-- NAME: end -->}, and the text around them stays.
 */
public final class Marked {
  /** What becomes of a page's text. */
  @FunctionalInterface
  public interface Change {
    /**
     * The new text.
     *
     * @throws IOException if what it is made from cannot be read
     */
    String of(String text) throws IOException;
  }

  private Marked() {}

  /**
   * Changes a page.
   *
   * @throws IllegalArgumentException that names the page, if it has not the marks
   * @throws IOException if it cannot be read or written
   */
  public static void rewrite(Path page, Change change) throws IOException {
    try {
      Files.writeString(page, change.of(Files.readString(page)));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(page + ": " + e.getMessage(), e);
    }
  }

  /**
   * The page with other lines between the marks of that name.
   *
   * @throws IllegalArgumentException if it has no such marks
   */
  public static String replace(String page, String name, String lines) {
    String begin = "<!-- " + name + ": begin -->";
    String end = "<!-- " + name + ": end -->";
    int from = page.indexOf(begin);
    int to = page.indexOf(end);
    if (from < 0 || to < from) {
      throw new IllegalArgumentException("expected \"" + begin + "\" … \"" + end + "\"");
    }
    return page.substring(0, from + begin.length()) + "\n\n" + lines + "\n" + page.substring(to);
  }
}
