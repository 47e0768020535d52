package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Predictor;
import java.util.Optional;
import java.util.function.Function;

/**
 * What a model is measured on; each part may be absent.
 *
 * @param test clean test data
 * @param forget the training examples to be forgotten
 * @param retain the other training examples
 * @param backdoor whose square is put on the test data
 * @param confused two classes that may be taken for each other
 */
record Task(
    Optional<Dataset> test,
    Optional<Dataset> forget,
    Optional<Dataset> retain,
    Optional<BadNets> backdoor,
    Optional<Confused.Pair> confused) {
  /** Samples at once. */
  static final int BATCH = 256;

  /** The backdoor of these options, if a target was given. */
  static Optional<BadNets> backdoor(Backdoor options) {
    return options.target == null ? Optional.empty() : Optional.of(options.of(Amount.count(0)));
  }

  /** Asks a model for its outputs, once for each part. */
  Observed observe(ModelFile model, Backend backend) {
    try (Predictor predictor = new Predictor(model.model(), backend, BATCH)) {
      return new Observed(
          test.map(data -> predictions(model, predictor, data)),
          forget.map(data -> predictions(model, predictor, data)),
          retain.map(data -> predictions(model, predictor, data)),
          test.flatMap(
              data ->
                  backdoor.map(attack -> predictions(model, predictor, attack.triggered(data)))),
          backdoor.map(BadNets::target).orElse(-1),
          confused);
    }
  }

  /** The same for the forgotten alone. */
  Task onlyForget() {
    return new Task(Optional.empty(), forget, Optional.empty(), Optional.empty(), Optional.empty());
  }

  private static Predictions predictions(ModelFile model, Predictor predictor, Dataset data) {
    return Predictions.of(predictor, data, model.normalisationFor(data));
  }

  /** Prints the rates of several measurements beside each other. */
  static void print(Run run, String[] names, ObjectNode[] measured) {
    StringBuilder head = new StringBuilder(" ".repeat(24));
    for (String name : names) {
      head.append(String.format(Text.LOCALE, "%12s", name));
    }
    run.say("%s", head);
    String[][] rates = {
      {"test accuracy", "/testAccuracy"},
      {"attack success", "/attackSuccessRate"},
      {"right when attacked", "/correctedAccuracy"},
      {"confused classes wrong", "/interclassConfusionError"},
      {"forget accuracy", "/forgetAccuracy"},
      {"retain accuracy", "/retainAccuracy"},
      {"judged never seen", "/membershipInference/confidence"},
      {"judged trained on", "/membershipInference/entropyAttack"},
      {"loss attack right", "/membershipInference/lossAttack"},
      {"likelihood ratio", "/membershipInference/likelihoodRatio"},
      {"as if never taught", "/zeroRetrainForgetting"},
      {"gap to one anew", "/averageGap"}
    };
    for (String[] rate : rates) {
      if (measured[0].at(rate[1]).isNumber()) {
        run.say("%s", line(rate[0], measured, node -> node.at(rate[1])));
        interval(rate[1], measured).ifPresent(line -> run.say("%s", line));
      }
    }
    for (int c = 0; c < measured[0].path("classes").size(); c++) {
      int place = c;
      String name = measured[0].get("classes").get(c).get("name").asText();
      run.say(
          "%s",
          line(
              "  class " + name, measured, node -> node.get("classes").get(place).get("accuracy")));
    }
  }

  /** Where the shares of few samples lie, below them. */
  private static Optional<String> interval(String pointer, ObjectNode[] measured) {
    return Intervals.text(measured[0], pointer)
        .flatMap(_ -> Intervals.samples(measured[0], pointer))
        .map(
            samples -> {
              StringBuilder line =
                  new StringBuilder(String.format(Text.LOCALE, "%-24s", "  95 %, " + samples));
              for (ObjectNode node : measured) {
                line.append(
                    String.format(Text.LOCALE, "%12s", Intervals.text(node, pointer).orElse("")));
              }
              return line.toString();
            });
  }

  private static String line(
      String name, ObjectNode[] measured, Function<ObjectNode, JsonNode> value) {
    StringBuilder line = new StringBuilder(String.format(Text.LOCALE, "%-24s", name));
    for (ObjectNode node : measured) {
      double rate = value.apply(node).asDouble(Double.NaN);
      line.append(String.format(Text.LOCALE, "%12s", Text.percent(rate)));
    }
    return line.toString();
  }
}
