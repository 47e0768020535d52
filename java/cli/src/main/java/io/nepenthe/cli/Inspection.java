package io.nepenthe.cli;

import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsType;
import io.nepenthe.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A look at the tensors of a file, one at a time, and at what cannot be right about them. */
final class Inspection {
  private static final double MOST_DEVIATION = 1e-5;

  private final SafetensorsFile file;
  private final List<String> warnings = new ArrayList<>();

  /**
   * What was seen of a tensor.
   *
   * @param least of the finite values, as {@code most} and {@code mean}
   * @param notFinite how many are not
   */
  record Seen(
      String name,
      SafetensorsType type,
      Shape shape,
      double least,
      double most,
      double mean,
      long notFinite) {}

  Inspection(SafetensorsFile file) {
    this.file = file;
  }

  /** Looks at all tensors. */
  void tensors(Consumer<Seen> sink) {
    metadata(file.metadata());
    for (String name : file.names()) {
      Seen seen = see(name);
      sink.accept(seen);
      judge(seen);
    }
  }

  /** One line each; complete after {@link #tensors}. */
  List<String> warnings() {
    return warnings;
  }

  private void metadata(Map<String, String> metadata) {
    if (metadata.containsKey("checkpoint_of")) {
      warnings.add(
          "the state of an unfinished %s, at sample %s of %s"
              .formatted(
                  metadata.get("checkpoint_of"),
                  metadata.get("checkpoint_position"),
                  metadata.get("samples")));
    }
    if (metadata.containsKey("chunk")) {
      warnings.add("chunk %s only: nepenthe merge".formatted(metadata.get("chunk")));
    }
    double deviation = number(metadata.get("most_deviation_from_orthonormal"));
    if (deviation > MOST_DEVIATION) {
      warnings.add("eigenvectors are off orthonormal by " + deviation);
    }
  }

  private static double number(String text) {
    try {
      return text == null ? Double.NaN : Double.parseDouble(text);
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }

  private void judge(Seen seen) {
    if (seen.notFinite() > 0) {
      warnings.add("%s: %d values are not finite".formatted(seen.name(), seen.notFinite()));
    }
    boolean negative =
        seen.name().startsWith("lambda_matrix.")
            || seen.name().startsWith("squared_gradient.")
            || seen.name().contains("_eigenvalues.");
    if (negative && seen.least() < 0) {
      warnings.add("%s: below 0, which a sum of squares is not".formatted(seen.name()));
    }
    boolean counts =
        seen.name().startsWith("num_") && !seen.name().startsWith("num_activation_covariance");
    double samples = number(file.metadata().get("samples"));
    if (counts && !file.metadata().containsKey("chunk") && seen.most() != samples) {
      warnings.add(
          "%s: %.0f, of %.0f samples in the metadata".formatted(seen.name(), seen.most(), samples));
    }
  }

  private Seen see(String name) {
    SafetensorsType type = file.type(name);
    Shape shape = file.shape(name);
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    double sum = 0;
    long notFinite = 0;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = file.values(name, arena);
      for (long i = 0; i < shape.elements(); i++) {
        double value = value(values, type, i);
        if (Double.isFinite(value)) {
          least = Math.min(least, value);
          most = Math.max(most, value);
          sum += value;
        } else {
          notFinite++;
        }
      }
    }
    double mean = sum / Math.max(1, shape.elements() - notFinite);
    return new Seen(name, type, shape, least, most, mean, notFinite);
  }

  private static double value(MemorySegment values, SafetensorsType type, long i) {
    return switch (type) {
      case F32 -> values.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      case F64 -> values.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
      case I64 -> values.getAtIndex(ValueLayout.JAVA_LONG, i);
    };
  }
}
