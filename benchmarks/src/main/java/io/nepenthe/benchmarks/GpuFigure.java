package io.nepenthe.benchmarks;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A line of what {@code run bench} prints on a machine with a GPU (docs/gpu.md): the median, least
 * and most of several runs.
 *
 * @param device its name
 * @param name the operation, with its size and precision
 * @param rate of the median, in {@code unit}
 * @param unit bytes/s or flop/s
 * @param fractionOfRoof of what the device did at most in the same run
 * @param seconds by the device's events
 * @param wall by the host's clock, launch and waiting included
 */
record GpuFigure(
    String device,
    String name,
    double rate,
    String unit,
    double fractionOfRoof,
    Spread seconds,
    Spread wall) {
  /** Median, least and most. */
  record Spread(double median, double least, double most) {}

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Reads a file of such lines.
   *
   * @throws IOException naming the file and the line, if one is something else
   */
  static List<GpuFigure> read(Path file) throws IOException {
    List<GpuFigure> figures = new ArrayList<>();
    int number = 0;
    for (String line : Files.readAllLines(file)) {
      number++;
      try {
        if (!line.isBlank()) {
          figures.add(JSON.readValue(line, GpuFigure.class));
        }
      } catch (JacksonException e) {
        throw new IOException(
            file + ", line " + number + ", is no figure of a GPU: " + e.getOriginalMessage(), e);
      }
    }
    return figures;
  }
}
