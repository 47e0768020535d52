package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Says so where a method cost much of the accuracy on what is kept. Published settings are for the
 * networks of their papers: on another one a learning rate may ruin the model with some seeds and
 * do nothing with others, and the mean alone would hide it.
 */
final class TooStrong {
  /** What a method may cost, as a fraction of one. */
  private static final double TOLERATED = 0.1;

  private static final String PLACE = "/retainAccuracy";

  private TooStrong() {}

  /**
   * The warning; empty if every model kept its accuracy, and for training anew, which is what it
   * is.
   *
   * @param settings of the method, as text
   * @param prefix of a setting on the command line
   * @param before metrics of the models before, one a seed
   * @param after of the same, after the method
   */
  static Optional<String> of(
      String method, JsonNode settings, String prefix, JsonNode[] before, JsonNode[] after) {
    double[] lost =
        IntStream.range(0, before.length)
            .mapToDouble(i -> before[i].at(PLACE).asDouble() - after[i].at(PLACE).asDouble())
            .filter(points -> points > TOLERATED)
            .toArray();
    if (lost.length == 0 || method.equals(Chosen.STANDARD)) {
      return Optional.empty();
    }
    double most = Arrays.stream(lost).max().orElseThrow();
    String seeds =
        before.length == 1 ? "" : ", with %d of %d seeds".formatted(lost.length, before.length);
    return Optional.of(
        String.format(
            Text.LOCALE,
            "%s lost %s%.0f points of the accuracy on what is kept%s: too strong for this network;"
                + " remedy: weaker settings%s",
            method,
            lost.length == 1 ? "" : "up to ",
            100 * most,
            seeds,
            weaker(settings, prefix)));
  }

  /** Half a decade less is the next thing to try. */
  private static String weaker(JsonNode settings, String prefix) {
    JsonNode rate = settings.path("learningRate");
    return rate.isMissingNode()
        ? ""
        : String.format(
            Text.LOCALE,
            ", for instance --set %slearningRate=%.2g",
            prefix,
            rate.asDouble() / Math.sqrt(10));
  }
}
