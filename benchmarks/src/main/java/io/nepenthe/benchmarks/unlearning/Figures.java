package io.nepenthe.benchmarks.unlearning;

import java.util.List;
import java.util.Locale;

/** Numbers as tables have them. */
final class Figures {
  private Figures() {}

  static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  /** The sample deviation. */
  static double deviation(List<Double> values) {
    double mean = mean(values);
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(squares / (values.size() - 1));
  }

  /** A metric of each row. */
  static List<Double> values(List<Row> measured, String name) {
    return measured.stream().map(row -> row.value(name)).toList();
  }

  static String percent(List<Row> measured, String name) {
    return spread(values(measured, name).stream().map(value -> 100 * value).toList(), 1);
  }

  static String spread(List<Double> values, int digits) {
    String mean = number(mean(values), digits);
    return values.size() < 2 ? mean : mean + " ± " + number(deviation(values), digits);
  }

  static String number(double value, int digits) {
    String text = format("%." + digits + "f", value);
    return Double.isNaN(value) ? "–" : text.matches("-0\\.0*") ? text.substring(1) : text;
  }

  /** Three digits, and no zeros that say nothing. */
  static String plain(double value) {
    return format("%.3g", value)
        .replaceAll("(\\.\\d*?)0+(e|$)", "$1$2")
        .replaceAll("\\.(e|$)", "$1");
  }

  static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
