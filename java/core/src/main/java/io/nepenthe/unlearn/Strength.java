package io.nepenthe.unlearn;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The one setting that makes a method stronger or weaker: what is chosen where published settings
 * are too strong for a network, or too weak. {@link Ladder} says how.
 *
 * @param method as its authors have it, or with settings of one's own
 * @param setting the name, as {@link Settings} has it
 * @param value of the method
 * @param inverse whether less is stronger
 */
public record Strength(Method method, String setting, double value, boolean inverse) {
  /** The setting that most methods have. */
  public static final String LEARNING_RATE = "learningRate";

  /**
   * The strength of a method: its learning rate, its noise, the length of its step, or for
   * dampening the threshold. Retraining and EU-k have none, and the searched SSD finds its own.
   *
   * @param name of the method in {@link Methods}
   * @param method of that name, with any settings
   */
  public static Optional<Strength> of(String name, Method method) {
    return switch (name) {
      case "retrain", "eu-k", "ssd", "ssd-fine-tune" -> Optional.empty();
      case "fisher-forgetting" -> named(method, "alpha", false);
      case "ssd-published", "lfssd" -> named(method, "selection", true);
      case "potion" -> named(method, "stop", true);
      case "influence", "woodfisher" -> named(method, "rate", false);
      default -> named(method, LEARNING_RATE, false);
    };
  }

  private static Optional<Strength> named(Method method, String setting, boolean inverse) {
    return Optional.ofNullable(Settings.of(method).get(setting))
        .map(value -> new Strength(method, setting, Double.parseDouble(value), inverse));
  }

  /** The value on a rung of the ladder, to three digits; on rung 0 as it is. */
  public double value(int rung) {
    if (rung == 0) {
      return value;
    }
    double at = inverse ? value / Ladder.factor(rung) : value * Ladder.factor(rung);
    return Double.parseDouble(String.format(Locale.ROOT, "%.3g", at));
  }

  /**
   * The method on a rung of the ladder.
   *
   * @throws IllegalArgumentException if the method does not take so much or so little
   */
  public Method at(int rung) {
    return rung == 0
        ? method
        : Settings.with(method, Map.of(setting, Double.toString(value(rung))));
  }
}
