package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Methods;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Chooses each method's settings on seeds whose images are in no table, and keeps them for those
 * that are. For privacy: the least average gap to retraining on seed 0; on a random share, where
 * that gap varies much from model to model, the least median over {@link #SEEDS} of what was tried
 * on seed 0. For corrective tasks, on seed 0: the largest learning rate that costs no more than
 * {@link #TOLERANCE} of the accuracy on trusted images, which a user has; whatever else makes a
 * method stronger stays as published.
 */
final class Tuning {
  /** The seeds that choose. */
  static final List<Long> SEEDS = List.of(0L, 6L, 7L);

  private static final double TOLERANCE = 0.01;

  /** What is further from retraining than this on seed 0 is not tried on the others. */
  private static final double HOPELESS = 0.2;

  private static final List<String> COMPARED =
      List.of("unlearningAccuracy", "retainAccuracy", "testAccuracy", "efficacyConfidence");

  private Tuning() {}

  /** The mean over UA, RA, TA and MIA-efficacy of the distance to retraining, a fraction of one. */
  static double gap(Row row, Row retrained) {
    return COMPARED.stream()
        .mapToDouble(name -> Math.abs(row.value(name) - retrained.value(name)))
        .average()
        .orElse(Double.NaN);
  }

  /**
   * The settings of a method for a task.
   *
   * @param cell of seed 0
   * @param tried a row for given settings, measured where it was not before; without metrics if the
   *     method failed
   */
  static String settings(
      Row.Cell cell, Methods.Entry entry, Row before, Row retrained, Tried tried) {
    Optional<Strength> strength =
        Strength.of(entry).filter(it -> cell.isPrivacy() || it.setting().equals("learningRate"));
    if (strength.isEmpty()) {
      return Row.PUBLISHED;
    }
    Strength it = strength.get();
    ToDoubleFunction<Integer> lost =
        rung -> before.value("trustedAccuracy") - tried.row(it.text(rung)).value("trustedAccuracy");
    return it.text(
        cell.isPrivacy()
            ? Ladder.cheapest(rung -> gap(tried.row(it.text(rung)), retrained))
            : Ladder.strongest(rung -> lost.applyAsDouble(rung) <= TOLERANCE));
  }

  /** Whether a seed chooses. */
  static boolean isFor(Row.Cell cell) {
    return SEEDS.contains(cell.seed());
  }

  /**
   * What the other choosing seeds are to try of a method: what seed 0 tried, but for the hopeless.
   */
  static List<String> candidates(List<Row> ofSeed0, Row retrained) {
    return ofSeed0.stream()
        .filter(row -> gap(row, retrained) <= HOPELESS)
        .map(Row::settings)
        .toList();
  }

  /** The settings of the least median gap. */
  static String leastMedian(Map<String, List<Double>> gaps) {
    return Collections.min(
            gaps.entrySet(), Comparator.comparingDouble(entry -> median(entry.getValue())))
        .getKey();
  }

  private static double median(List<Double> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  /** Measures. */
  interface Tried {
    Row row(String settings);
  }
}
