package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * How time and memory grow with the size of the work.
 *
 * @param machine where
 * @param commit of what
 * @param date when, UTC
 * @param series one for each kind of work
 */
record Scaling(Machine machine, String commit, String date, List<Series> series) {
  /**
   * One kind of work at several sizes.
   *
   * @param work what is done
   * @param size what grows
   * @param note what explains the exponents; may be empty
   * @param points by ascending size
   */
  record Series(String work, String size, String note, List<Point> points) {
    /** The exponent e of seconds ∝ sizeᵉ that fits best. */
    double timeExponent() {
      return exponent(points.stream().mapToDouble(Point::seconds).toArray());
    }

    /** The exponent e of bytes ∝ sizeᵉ that fits best; 0 when memory stays the same. */
    double memoryExponent() {
      return exponent(points.stream().mapToDouble(Point::bytes).toArray());
    }

    /** The slope of the least-squares line through the logarithms. */
    private double exponent(double[] values) {
      double meanX = 0;
      double meanY = 0;
      for (int i = 0; i < values.length; i++) {
        meanX += Math.log(points.get(i).size) / values.length;
        meanY += Math.log(Math.max(values[i], 1e-12)) / values.length;
      }
      double covariance = 0;
      double variance = 0;
      for (int i = 0; i < values.length; i++) {
        double x = Math.log(points.get(i).size) - meanX;
        covariance += x * (Math.log(Math.max(values[i], 1e-12)) - meanY);
        variance += x * x;
      }
      return covariance / variance;
    }
  }

  /**
   * One size.
   *
   * @param size how much
   * @param seconds the fastest of the repetitions
   * @param bytes the process's largest resident set while it ran
   */
  record Point(long size, double seconds, long bytes) {}

  static Scaling read(Path file) throws IOException {
    return ReportFile.read(file, Scaling.class, "a record of scaling");
  }
}
