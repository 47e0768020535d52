package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The one setting that makes a method stronger or weaker.
 *
 * @param published the method as its authors have it
 * @param setting its name
 * @param value as published
 * @param inverse whether less is stronger
 */
record Strength(Method published, String setting, double value, boolean inverse) {
  /**
   * The strength of a method: its learning rate, its rate, its noise, or for dampening the
   * threshold. Retraining and EU-k have none, and the searched SSD finds its own.
   */
  static Optional<Strength> of(Methods.Entry entry) {
    Method method = entry.published();
    return switch (entry.name()) {
      case "retrain", "eu-k", "ssd" -> Optional.empty();
      case "fisher-forgetting" -> named(method, "alpha", false);
      case "ssd-published", "lfssd" -> named(method, "selection", true);
      case "potion" -> named(method, "stop", true);
      default -> named(method, "learningRate", false);
    };
  }

  private static Optional<Strength> named(Method method, String setting, boolean inverse) {
    double value = Double.parseDouble(Settings.of(method).get(setting));
    return Optional.of(new Strength(method, setting, value, inverse));
  }

  /** The setting on a rung of the ladder, as {@code name=value} to three digits. */
  String text(int rung) {
    if (rung == 0) {
      return Row.PUBLISHED;
    }
    double at = inverse ? value / Ladder.factor(rung) : value * Ladder.factor(rung);
    return setting + "=" + Double.parseDouble(String.format(Locale.ROOT, "%.3g", at));
  }

  /** The method with settings as {@link Row#settings} has them. */
  static Method with(Method published, String settings) {
    if (settings.equals(Row.PUBLISHED)) {
      return published;
    }
    String[] pair = settings.split("=");
    return Settings.with(published, Map.of(pair[0], pair[1]));
  }
}
