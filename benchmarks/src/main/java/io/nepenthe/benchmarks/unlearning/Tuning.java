package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Ladder;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import io.nepenthe.unlearn.Strength;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * Chooses each method's settings on seeds whose images are in no table, and keeps them for all that
 * are, by the rules of {@link Ladder.Aim}. For privacy: by the average gap to retraining over
 * {@link Data#choosing()}. For corrective tasks: by the accuracy on trusted images, which a user
 * has, on one seed.
 */
final class Tuning {
  private static final List<String> COMPARED =
      List.of("unlearningAccuracy", "retainAccuracy", "testAccuracy", "efficacyConfidence");

  private Tuning() {}

  /** The mean over UA, RA, TA and MIA-efficacy of the distance to retraining, a fraction of one. */
  static double gap(Row row, Row retrained) {
    return Figures.mean(distances(row, retrained));
  }

  /** How far UA, RA, TA and MIA-efficacy are from retraining, fractions of one. */
  static List<Double> distances(Row row, Row retrained) {
    return COMPARED.stream()
        .map(name -> Math.abs(row.value(name) - retrained.value(name)))
        .toList();
  }

  /** The seeds on which a cell's settings are chosen. */
  static List<Long> seeds(Row.Cell cell) {
    return cell.isPrivacy() ? cell.set().choosing() : List.of(0L);
  }

  /**
   * The settings of a method for a task.
   *
   * @param cell of any seed
   */
  static String settings(Row.Cell cell, Methods.Entry entry, Tried tried) {
    Ladder.Aim aim = cell.isPrivacy() ? Ladder.Aim.FORGET : Ladder.Aim.REPAIR;
    Optional<Strength> strength = aim.strength(entry.name(), entry.published());
    if (strength.isEmpty()) {
      return Row.PUBLISHED;
    }
    Strength it = strength.get();
    ToDoubleFunction<Integer> cost =
        rung -> mean(cell, seed -> cost(cell, entry, text(it, rung), seed, tried));
    return text(it, aim.rung(rung -> cost.applyAsDouble(rung)));
  }

  static Optional<Strength> strength(Methods.Entry entry) {
    return Strength.of(entry.name(), entry.published());
  }

  /** The strength on a rung of the ladder as {@link Row#settings} has it. */
  static String text(Strength strength, int rung) {
    return rung == 0 ? Row.PUBLISHED : strength.setting() + "=" + strength.value(rung);
  }

  /** The method with settings as {@link Row#settings} has them. */
  static Method with(Method published, String settings) {
    if (settings.equals(Row.PUBLISHED)) {
      return published;
    }
    String[] pair = settings.split("=");
    return Settings.with(published, Map.of(pair[0], pair[1]));
  }

  private static double cost(
      Row.Cell cell, Methods.Entry entry, String settings, long seed, Tried tried) {
    Row row = tried.row(seed, entry.name(), settings);
    return cell.isPrivacy()
        ? gap(row, tried.row(seed, "retrain", Row.PUBLISHED))
        : tried.row(seed, "before", Row.PUBLISHED).value("trustedAccuracy")
            - row.value("trustedAccuracy");
  }

  /** NaN from the first seed on which it failed: the others need not be measured. */
  private static double mean(Row.Cell cell, ToDoubleFunction<Long> cost) {
    List<Long> seeds = seeds(cell);
    double sum = 0;
    for (int i = 0; i < seeds.size() && !Double.isNaN(sum); i++) {
      sum += cost.applyAsDouble(seeds.get(i));
    }
    return sum / seeds.size();
  }

  /** What was measured on a seed for choosing; without metrics if the method failed. */
  interface Tried {
    Row row(long seed, String method, String settings);
  }
}
