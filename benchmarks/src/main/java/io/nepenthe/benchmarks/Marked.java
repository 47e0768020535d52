package io.nepenthe.benchmarks;

/**
 * A page whose figures are written by a program: they stand between {@code <!-- NAME: begin -->}
 * and {@code <!-- NAME: end -->}, and the text around them stays.
 */
public final class Marked {
  private Marked() {}

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
