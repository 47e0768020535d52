package io.nepenthe.benchmarks;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Rate over arithmetic intensity, both logarithmic, under the measured limits, as SVG that follows
 * the reader's light or dark theme. Rows of the most threads only.
 */
final class RooflineChart {
  private static final double LEFT = 64;
  private static final double RIGHT = 560;
  private static final double TOP = 24;
  private static final double BOTTOM = 400;
  private static final double LINE = 15;

  private final double lowIntensity;
  private final double highIntensity;
  private final double lowRate;
  private final double highRate;
  private final StringBuilder svg = new StringBuilder();

  private record Point(Report.Row row, double intensity, double rate) {}

  private RooflineChart(List<Point> points, Report.Roofs roofs) {
    double least = points.stream().mapToDouble(Point::intensity).min().orElse(1);
    double most = points.stream().mapToDouble(Point::intensity).max().orElse(1);
    double slowest = points.stream().mapToDouble(Point::rate).min().orElse(1);
    lowIntensity = power(Math.floor(Math.log10(least)));
    highIntensity = power(Math.ceil(Math.log10(most)));
    lowRate = power(Math.floor(Math.log10(slowest)));
    double peak = roofs.gigaflopsPerSecond();
    highRate = power(Math.ceil(Math.log10(peak)));
  }

  private static double power(double exponent) {
    return Math.pow(10, exponent);
  }

  static String svg(List<Report> reports) {
    Report first = reports.getFirst();
    String threads =
        first.roofs().keySet().stream()
            .max(Comparator.comparingInt(Integer::parseInt))
            .orElseThrow(() -> new IllegalArgumentException("the report has no roofs"));
    List<Point> points =
        reports.stream()
            .flatMap(report -> report.rows().stream())
            .filter(row -> row.gigabytesPerSecond() > 0 && row.gigaflopsPerSecond() > 0)
            .filter(row -> !row.benchmark().startsWith("RoofBenchmark"))
            .filter(row -> threads.equals(row.parameters().get("threads")))
            .map(
                row ->
                    new Point(
                        row,
                        row.gigaflopsPerSecond() / row.gigabytesPerSecond(),
                        row.gigaflopsPerSecond()))
            .sorted(Comparator.comparingDouble(Point::intensity))
            .toList();
    return new RooflineChart(points, first.roofs().get(threads))
        .draw(points, first.roofs().get(threads), threads);
  }

  private String draw(List<Point> points, Report.Roofs roofs, String threads) {
    double height = Math.max(BOTTOM + 50, TOP + LINE * (points.size() + 2));
    add(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 %.0f\" role=\"img\""
            + " aria-label=\"Roofline: rate over arithmetic intensity, %s threads\">",
        height, threads);
    add(
        "<style>text{font:12px system-ui,sans-serif;fill:#24292f}.grid{stroke:#d0d7de}"
            + ".roof{stroke:#24292f;stroke-width:2;fill:none}.point{fill:#0969da}"
            + ".number{font-size:9px;fill:#fff;text-anchor:middle}"
            + "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#30363d}"
            + ".roof{stroke:#e6edf3}.point{fill:#4493f8}.number{fill:#0d1117}}</style>");
    axes();
    double ridge = roofs.gigaflopsPerSecond() / roofs.triadGigabytesPerSecond();
    add(
        "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\"/>",
        x(lowIntensity),
        y(lowIntensity * roofs.triadGigabytesPerSecond()),
        x(ridge),
        y(roofs.gigaflopsPerSecond()),
        x(highIntensity),
        y(roofs.gigaflopsPerSecond()));
    add(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.0f GFLOP/s, %.0f GB/s on %s threads</text>",
        RIGHT,
        y(roofs.gigaflopsPerSecond()) - 6,
        roofs.gigaflopsPerSecond(),
        roofs.triadGigabytesPerSecond(),
        threads);
    for (int i = 0; i < points.size(); i++) {
      point(points.get(i), i + 1);
    }
    return svg.append("</svg>\n").toString();
  }

  private void axes() {
    for (double at = lowIntensity; at <= highIntensity * 1.01; at *= 10) {
      add(
          "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\""
              + " text-anchor=\"middle\">%s</text>",
          x(at), TOP, BOTTOM, x(at), BOTTOM + 16, number(at));
    }
    for (double at = lowRate; at <= highRate * 1.01; at *= 10) {
      add(
          "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\""
              + " text-anchor=\"end\">%s</text>",
          LEFT, y(at), RIGHT, LEFT - 6, y(at) + 4, number(at));
    }
    add(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">operations a byte</text>",
        (LEFT + RIGHT) / 2, BOTTOM + 36);
    add("<text x=\"%.1f\" y=\"%.1f\">GFLOP/s</text>", LEFT - 50, TOP - 10);
  }

  private void point(Point point, int number) {
    double x = x(point.intensity);
    double y = y(point.rate);
    double legend = TOP + LINE * number;
    add("<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"7\"/>", x, y);
    add("<text class=\"number\" x=\"%.1f\" y=\"%.1f\">%d</text>", x, y + 3, number);
    add("<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"7\"/>", RIGHT + 20, legend - 4);
    add("<text class=\"number\" x=\"%.1f\" y=\"%.1f\">%d</text>", RIGHT + 20, legend - 1, number);
    add(
        "<text x=\"%.1f\" y=\"%.1f\">%s, %.0f %%</text>",
        RIGHT + 34, legend, name(point.row), 100 * point.row.fraction());
  }

  private static String name(Report.Row row) {
    StringBuilder name =
        new StringBuilder(row.benchmark().substring(row.benchmark().indexOf('.') + 1));
    row.parameters()
        .forEach(
            (key, value) -> {
              if (!key.equals("threads") && !(key.equals("samples") && value.equals("0"))) {
                name.append(' ').append(value);
              }
            });
    return name.toString();
  }

  private double x(double intensity) {
    return LEFT
        + (RIGHT - LEFT)
            * Math.log(intensity / lowIntensity)
            / Math.log(highIntensity / lowIntensity);
  }

  private double y(double rate) {
    return BOTTOM - (BOTTOM - TOP) * Math.log(rate / lowRate) / Math.log(highRate / lowRate);
  }

  private static String number(double value) {
    return value >= 1
        ? String.format(Locale.ROOT, "%.0f", value)
        : String.format(Locale.ROOT, "%s", Math.round(value * 1e6) / 1e6);
  }

  private void add(String format, Object... arguments) {
    svg.append(String.format(Locale.ROOT, format, arguments)).append('\n');
  }
}
