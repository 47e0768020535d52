package io.nepenthe.unlearn;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What a method did.
 *
 * @param seconds wall time by phase, in the order in which the phases began: {@code statistics}
 *     (importances), {@code mask}, {@code teacher}, {@code search}, {@code update}
 * @param epochs the passes that changed the weights, in order; none for methods without training
 * @param figures what else is worth knowing, by name: settings that were found, counts
 */
public record Trace(
    SequencedMap<String, Double> seconds,
    List<Epoch> epochs,
    SequencedMap<String, Double> figures) {
  /**
   * One pass.
   *
   * @param over what it went over: {@code retain}, {@code forget} or {@code both}
   * @param epoch from 0
   * @param loss the mean of the objective that was descended, each batch under the weights just
   *     before its step; of an objective that was climbed, its negative
   */
  public record Epoch(String over, int epoch, double loss) {}

  /** Keeps copies. */
  public Trace {
    seconds = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(seconds));
    epochs = List.copyOf(epochs);
    figures = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(figures));
  }

  /** The seconds of all phases. */
  public double totalSeconds() {
    return seconds.values().stream().mapToDouble(Double::doubleValue).sum();
  }
}
