package io.nepenthe.onnx;

/**
 * A model file that cannot be read, or a model that cannot be written. The message is one line that
 * names the file and the node or initialiser in it, what was expected and what was found, fit to be
 * shown to a person as it is.
 */
public final class OnnxException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * A complaint about one place.
   *
   * @param where the file, and the node or initialiser in it
   * @param expected what should have been there
   * @param found what was there instead
   */
  public OnnxException(String where, String expected, String found) {
    super(message(where, expected, found));
  }

  /**
   * A complaint about one place that another failure caused.
   *
   * @param where the file, and the node or initialiser in it
   * @param expected what should have been there
   * @param found what was there instead
   * @param cause the failure that revealed it
   */
  public OnnxException(String where, String expected, String found, Throwable cause) {
    super(message(where, expected, found), cause);
  }

  /** A name from a file, fit for a message: printable, at most 60 characters. */
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
    return (where + ": expected " + expected + ", found " + found).replaceAll("\\p{Cntrl}", "?");
  }
}
