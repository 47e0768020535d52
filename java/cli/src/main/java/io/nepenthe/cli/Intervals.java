package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.evaluate.Interval;
import io.nepenthe.evaluate.LikelihoodRatio;
import io.nepenthe.evaluate.Predictions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * How far the shares among a model's metrics would lie with other samples of the same kind, {@link
 * Interval}: of few samples a share says little.
 */
final class Intervals {
  /** Beside the metrics, with their names. */
  static final String KEY = "interval95";

  /** How many samples an area under a curve was counted on beside those of the forgotten. */
  private static final String STRANGERS = "nonMembers";

  /** Of so many samples the widest interval is below two points. */
  private static final long MANY = 10_000;

  /** The metrics that are shares of samples, and of which. */
  private static final Map<String, Function<Observed, Optional<Predictions>>> SHARES =
      new LinkedHashMap<>();

  static {
    SHARES.put("/testAccuracy", Observed::keptTest);
    SHARES.put("/cleanAccuracy", Observed::keptTest);
    SHARES.put("/forgottenClassTestAccuracy", Observed::forgottenTest);
    SHARES.put("/attackSuccessRate", Observed::triggered);
    SHARES.put("/correctedAccuracy", Observed::triggered);
    SHARES.put("/interclassConfusionError", Observed::ofConfused);
    SHARES.put("/forgetAccuracy", Observed::forget);
    SHARES.put("/unlearningAccuracy", Observed::forget);
    SHARES.put("/retainAccuracy", Observed::retain);
    for (String attack :
        new String[] {
          "correctness",
          "confidence",
          "entropy",
          "modifiedEntropy",
          "probabilities",
          "entropyAttack"
        }) {
      SHARES.put("/membershipInference/" + attack, Observed::forget);
    }
  }

  private Intervals() {}

  /** Adds {@code interval95} to metrics: of each share among them low, high and samples. */
  static void to(Observed observed, ObjectNode metrics) {
    SHARES.forEach(
        (share, part) ->
            part.apply(observed)
                .filter(samples -> samples.size() > 0)
                .ifPresent(samples -> put(metrics, share, samples.size())));
  }

  /** Adds the same to means over seeds, of as many samples as the metrics of one seed are of. */
  static void ofMeans(ObjectNode means, JsonNode metrics) {
    for (String share : SHARES.keySet()) {
      JsonNode samples = metrics.path(KEY).at(share).path("samples");
      if (samples.isNumber()) {
        put(means, share, samples.asLong());
      }
    }
  }

  private static void put(ObjectNode metrics, String share, long samples) {
    if (metrics.at(share).isNumber()) {
      put(metrics, share, Interval.wilson(metrics.at(share).asDouble(), samples), samples);
    }
  }

  /** Adds that of the likelihood-ratio attack. */
  static void ofArea(LikelihoodRatio.Outcome outcome, ObjectNode metrics) {
    put(
            metrics,
            "/membershipInference/likelihoodRatio",
            outcome.areaInterval(),
            outcome.forgetScores().length)
        .put(STRANGERS, outcome.strangerScores().length);
  }

  private static ObjectNode put(ObjectNode metrics, String name, Interval interval, long samples) {
    return metrics
        .withObject("/" + KEY + name)
        .put("low", interval.low())
        .put("high", interval.high())
        .put("samples", samples);
  }

  /** Of how many samples a metric is a share, {@code n = 20}; empty where it has no interval. */
  static Optional<String> samples(JsonNode metrics, String name) {
    JsonNode interval = metrics.path(KEY).at(name);
    return interval.isMissingNode()
        ? Optional.empty()
        : Optional.of(
            "n = "
                + interval.get("samples").asText()
                + (interval.has(STRANGERS) ? ", " + interval.get(STRANGERS).asText() : ""));
  }

  /** A metric's interval in percent, {@code 8.0–17.1}, where its samples are few enough to ask. */
  static Optional<String> text(JsonNode metrics, String name) {
    JsonNode interval = metrics.path(KEY).at(name);
    long samples = interval.path("samples").asLong(MANY);
    return Math.min(samples, interval.path(STRANGERS).asLong(samples)) >= MANY
        ? Optional.empty()
        : Optional.of(
            String.format(
                Text.LOCALE,
                "%.1f–%.1f",
                100 * interval.get("low").asDouble(),
                100 * interval.get("high").asDouble()));
  }

  /**
   * A line with something of each of some metrics, for below a row of a table; empty if none has
   * it.
   *
   * @param format of the title, and of a text for each metric
   * @param what {@link #text} or {@link #samples}
   */
  static Optional<String> line(
      String format,
      String title,
      JsonNode metrics,
      List<String> names,
      BiFunction<JsonNode, String, Optional<String>> what) {
    List<String> texts = names.stream().map(name -> what.apply(metrics, name).orElse("")).toList();
    return texts.stream().allMatch(String::isEmpty)
        ? Optional.empty()
        : Optional.of(
            String.format(
                    Text.LOCALE, format, Stream.concat(Stream.of(title), texts.stream()).toArray())
                .stripTrailing());
  }
}
