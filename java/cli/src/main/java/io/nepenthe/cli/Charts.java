package io.nepenthe.cli;

import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.ToDoubleFunction;

/**
 * Charts as inline SVG. Lengths along a bar are percentages and letters are pixels, so that a chart
 * stretches to its column and its words keep their size.
 */
final class Charts {
  private static final int LABEL = 21;
  private static final int THICKNESS = 12;
  private static final int GAP = 11;

  private Charts() {}

  /**
   * A bar.
   *
   * @param label what it is
   * @param share its length, from 0 to 1
   * @param value what is written at its end
   * @param kind its colour: good, bad or other
   */
  record Bar(String label, double share, String value, String kind) {}

  /**
   * Bars under each other, each with its label and value above it; a bar without a label belongs to
   * the one above, and has its value beside it.
   */
  static String bars(String summary, List<Bar> bars) {
    StringBuilder svg = new StringBuilder();
    int y = 0;
    for (Bar bar : bars) {
      boolean first = !bar.label.isEmpty();
      y += first ? (y == 0 ? 0 : GAP) + LABEL : 4;
      if (first) {
        text(svg, "0", y - 7, "start", bar.label);
      }
      double percent = 100 * Math.clamp(Double.isNaN(bar.share) ? 0 : bar.share, 0, 1);
      rectangle(svg, "track", 100, y);
      if (percent > 0) {
        rectangle(svg, bar.kind, Math.max(percent, 0.4), y);
      }
      text(svg, "100%", y + 11, "end", bar.value);
      svg.append('\n');
      y += THICKNESS;
    }
    return "<svg class=\"bars\" role=\"img\" height=\"%d\" aria-label=\"%s\">\n%s</svg>\n"
        .formatted(y, Template.escape(summary), svg);
  }

  private static void text(StringBuilder svg, String x, int y, String anchor, String words) {
    svg.append("<text x=\"").append(x).append("\" y=\"").append(y);
    svg.append("\" text-anchor=\"").append(anchor).append("\">");
    svg.append(Template.escape(words)).append("</text>");
  }

  private static void rectangle(StringBuilder svg, String kind, double percent, int y) {
    // The rest of the width is for the values.
    svg.append("<rect class=\"").append(kind).append("\" rx=\"3\" y=\"").append(y);
    svg.append("\" height=\"").append(THICKNESS).append("\" style=\"width:calc((100% - 68px) * ");
    svg.append(number(percent / 100)).append(")\"/>");
  }

  /**
   * A line of a plot.
   *
   * @param kind its colour: good or bad
   * @param value what is drawn upwards, from 0 to 1
   */
  record Line<T>(String kind, ToDoubleFunction<T> value) {}

  /**
   * Lines over points on one axis, both from 0 to 1, with a mark at the chosen one.
   *
   * @param summary says the same in words
   * @param place of a point along the axis, from 0 to 1
   * @param chosen the place of the mark
   */
  static <T> String lines(
      String summary,
      List<T> points,
      ToDoubleFunction<T> place,
      List<Line<T>> lines,
      double chosen) {
    StringBuilder svg = new StringBuilder();
    svg.append(
        "<svg role=\"img\" viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" aria-label=\"");
    svg.append(Template.escape(summary)).append("\">\n");
    for (int y = 0; y <= 100; y += 25) {
      svg.append("<path class=\"grid\" d=\"M0 ").append(y).append("H100\"/>");
    }
    svg.append("\n<path class=\"chosen\" d=\"M")
        .append(number(100 * chosen))
        .append(" 0V100\"/>\n");
    DoubleUnaryOperator up = value -> 100 - 100 * Math.clamp(value, 0, 1);
    for (Line<T> line : lines) {
      StringBuilder path = new StringBuilder();
      StringBuilder dots = new StringBuilder();
      for (T point : points) {
        String x = number(100 * place.applyAsDouble(point));
        String y = number(up.applyAsDouble(line.value.applyAsDouble(point)));
        path.append(path.isEmpty() ? "M" : "L").append(x).append(' ').append(y);
        dots.append('M').append(x).append(' ').append(y).append("h0");
      }
      svg.append("<path class=\"curve ").append(line.kind).append("\" d=\"").append(path);
      svg.append("\"/><path class=\"dot ").append(line.kind).append("\" d=\"").append(dots);
      svg.append("\"/>\n");
    }
    return svg.append("</svg>\n").toString();
  }

  /** What the colours mean: kind, words, kind, words, … */
  static String legend(String... kindsAndWords) {
    StringBuilder html = new StringBuilder("<ul class=\"legend\">");
    for (int i = 0; i < kindsAndWords.length; i += 2) {
      html.append("<li><span class=\"key ").append(kindsAndWords[i]).append("\"></span>");
      html.append(Template.escape(kindsAndWords[i + 1])).append("</li>");
    }
    return html.append("</ul>\n").toString();
  }

  private static String number(double value) {
    return String.format(Text.LOCALE, "%.2f", value);
  }
}
