package io.nepenthe.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Text files in the jar, with places {@code {{name}}} to be filled. */
final class Template {
  private static final Pattern PLACE = Pattern.compile("\\{\\{([a-z]+)}}");

  private Template() {}

  /** The text file of that name beside this class. */
  static String resource(String name) {
    try (InputStream in = Template.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * The template with every place filled.
   *
   * @throws IllegalArgumentException if there is no value for a place
   */
  static String fill(String template, Map<String, String> values) {
    return PLACE
        .matcher(template)
        .replaceAll(
            match -> {
              String value = values.get(match.group(1));
              if (value == null) {
                throw new IllegalArgumentException("nothing for " + match.group());
              }
              return Matcher.quoteReplacement(value);
            });
  }

  /** Text as HTML shows it, in elements and in attributes. */
  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
