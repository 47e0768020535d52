package io.nepenthe.benchmarks.unlearning;

/** Lines of Markdown. */
final class Page {
  private final StringBuilder text = new StringBuilder();

  /** A line in {@link String#format}'s terms. */
  void line(String format, Object... values) {
    text.append(Figures.format(format, values)).append('\n');
  }

  /** A heading and what is below it, with empty lines between. */
  void section(String heading, String... words) {
    line("### %s", heading);
    line("");
    for (String word : words) {
      line("%s", word);
    }
    line("");
  }

  /** All lines; none of them empty at the end. */
  String text() {
    return text.toString().stripTrailing() + "\n";
  }
}
