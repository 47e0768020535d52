package io.nepenthe.cli;

import java.util.List;
import java.util.Locale;

/** Numbers as people read them, the same on every machine. */
final class Text {
  static final Locale LOCALE = Locale.ROOT;

  private Text() {}

  /** 0.98765 as {@code 98.8 %}. */
  static String percent(double fraction) {
    return Double.isNaN(fraction) ? "–" : String.format(LOCALE, "%.1f %%", 100 * fraction);
  }

  /** A choice as it is given on the command line. */
  static String word(Enum<?> choice) {
    return choice.name().toLowerCase(LOCALE);
  }

  /** A class by its name; one beyond the names by its number. */
  static String className(List<String> names, int label) {
    return label < names.size() ? names.get(label) : Integer.toString(label);
  }

  /** 12345 as {@code 12,345}. */
  static String count(long number) {
    return String.format(LOCALE, "%,d", number);
  }

  /** A figure of any size: whole numbers in full, others in four digits. */
  static String figure(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? count((long) value)
        : String.format(LOCALE, "%.4g", value);
  }

  /** A time span: {@code 0.12 s}, {@code 8.1 s}, {@code 75 s}, {@code 12 min}, {@code 3.4 h}. */
  static String seconds(double seconds) {
    if (seconds < 1) {
      return String.format(LOCALE, "%.2f s", seconds);
    }
    if (seconds < 10) {
      return String.format(LOCALE, "%.1f s", seconds);
    }
    if (seconds < 120) {
      return String.format(LOCALE, "%.0f s", seconds);
    }
    return seconds < 7200
        ? String.format(LOCALE, "%.0f min", seconds / 60)
        : String.format(LOCALE, "%.1f h", seconds / 3600);
  }

  /** A rate with three digits, then its unit. */
  static String rate(double perSecond, String unit) {
    String number =
        perSecond >= 100
            ? count(Math.round(perSecond))
            : String.format(LOCALE, perSecond >= 10 ? "%.1f" : "%.2f", perSecond);
    return number + " " + unit + "/s";
  }
}
