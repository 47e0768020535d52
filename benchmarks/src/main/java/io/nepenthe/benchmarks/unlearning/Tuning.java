package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Methods;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Chooses each method's settings on seed 0, whose images are in no table, and keeps them for all
 * seeds. For privacy: the least average gap to retraining there. For corrective tasks: the largest
 * learning rate that costs no more than {@link #TOLERANCE} of the accuracy on trusted images, which
 * a user has, or if all cost more the one that costs least; whatever else makes a method stronger
 * stays as published.
 */
final class Tuning {
  private static final double TOLERANCE = 0.01;

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
            : Ladder.strongest(rung -> lost.applyAsDouble(rung), TOLERANCE));
  }

  /** Measures. */
  interface Tried {
    Row row(String settings);
  }
}
