package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Splits;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Predictor;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * What a model is measured on; each part may be absent. Of classes that are forgotten altogether
 * the test data are apart, {@link Splits}.
 *
 * @param test clean test data, of all classes
 * @param forget the training examples to be forgotten
 * @param retain the other training examples
 * @param heldOut data never trained on that stand for the test data in membership attacks; only
 *     where there are no test data
 * @param backdoor whose square is put on the test data
 * @param confused two classes that may be taken for each other
 */
record Task(
    Optional<Dataset> test,
    Optional<Dataset> forget,
    Optional<Dataset> retain,
    Optional<Dataset> heldOut,
    Optional<BadNets> backdoor,
    Optional<Confused.Pair> confused) {
  /** Samples at once. */
  static final int BATCH = 256;

  /**
   * Checks the test data.
   *
   * @throws CommandException if they are of classes alone that are forgotten altogether
   */
  Task {
    int[] gone = forgottenClasses(retain, forget);
    test.filter(data -> gone.length > 0 && kept(data, gone).size() == 0)
        .ifPresent(
            data -> {
              throw new CommandException(
                  "%s: expected test data of classes that are kept too, found only %s, forgotten"
                          .formatted(data.name(), classes(forget.orElseThrow(), gone))
                      + " altogether");
            });
  }

  /** The backdoor of these options, if a target was given. */
  static Optional<BadNets> backdoor(Backdoor options) {
    return options.target == null ? Optional.empty() : Optional.of(options.of(Amount.count(0)));
  }

  /** Asks a model for its outputs, once for each part. */
  Observed observe(ModelFile model, Backend backend) {
    try (Predictor predictor = new Predictor(model.model(), backend, BATCH)) {
      Function<Dataset, Predictions> answers =
          data -> Predictions.of(predictor, data, model.normalisationFor(data));
      Optional<Predictions> tested = test.map(answers);
      Optional<Predictions> forgotten = forget.map(answers);
      Optional<Predictions> retained = retain.map(answers);
      Optional<Splits> splits =
          tested
              .or(() -> heldOut.map(answers))
              .filter(_ -> forget.isPresent() && retain.isPresent())
              .map(seen -> new Splits(retained.get(), forgotten.get(), seen));
      return new Observed(
          tested,
          forgotten,
          retained,
          test.flatMap(data -> backdoor.map(attack -> answers.apply(attacked(data, attack)))),
          splits,
          backdoor.map(BadNets::target).orElse(-1),
          confused);
    }
  }

  /** The same for the forgotten alone. */
  Task onlyForget() {
    return new Task(
        Optional.empty(),
        forget,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /** What the classes are called: the training data may have more of them than the test data. */
  List<String> classNames() {
    return Stream.of(test, forget)
        .flatMap(Optional::stream)
        .map(Dataset::classNames)
        .max(Comparator.comparingInt(List::size))
        .orElseThrow();
  }

  /** The classes that are forgotten altogether. */
  int[] forgottenClasses() {
    return forgottenClasses(retain, forget);
  }

  private static int[] forgottenClasses(Optional<Dataset> retain, Optional<Dataset> forget) {
    return retain.isEmpty() || forget.isEmpty()
        ? new int[0]
        : Splits.forgottenClasses(retain.get(), forget.get());
  }

  /**
   * The test samples that look most like the forgotten, for attacks that tell these from them:
   * where classes are forgotten altogether those of its classes, else all.
   */
  Dataset strangers() {
    Dataset tested = test.orElseThrow();
    return forgottenClasses().length == 0
        ? tested
        : Datasets.ofClasses(tested, labels(forget.orElseThrow()));
  }

  /** The test samples of kept classes but the target, with the backdoor's square. */
  Dataset attacked(Dataset tested, BadNets attack) {
    return attack.triggered(kept(tested, forgottenClasses()));
  }

  private static int[] labels(Dataset data) {
    return LongStream.range(0, data.size()).mapToInt(data::label).distinct().toArray();
  }

  private static Dataset kept(Dataset data, int... gone) {
    int[] others =
        IntStream.range(0, data.classes())
            .filter(label -> IntStream.of(gone).noneMatch(it -> it == label))
            .toArray();
    return gone.length == 0 ? data : Datasets.ofClasses(data, others);
  }

  /** {@code class 3}, {@code classes 3, 5}. */
  static String classes(Dataset named, int... labels) {
    return (labels.length == 1 ? "class " : "classes ")
        + IntStream.of(labels).mapToObj(named.classNames()::get).collect(Collectors.joining(", "));
  }

  /** Whether something is to be healed: training anew without what is known is no aim then. */
  boolean isRepair() {
    return backdoor.isPresent() || confused.isPresent();
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
      {"  forgotten class", "/forgottenClassTestAccuracy"},
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
    if (Stream.of(measured).anyMatch(node -> node.has("relearnTime"))) {
      StringBuilder line =
          new StringBuilder(String.format(Text.LOCALE, "%-24s", "relearned, rounds"));
      for (ObjectNode node : measured) {
        line.append(String.format(Text.LOCALE, "%12s", node.path("relearnTime").asText("–")));
      }
      run.say("%s", line);
    }
    for (int c = 0; c < measured[0].path("classes").size(); c++) {
      int place = c;
      String name = measured[0].get("classes").get(c).get("name").asText();
      run.say(
          "%s",
          line(
              "  class " + name,
              measured,
              node -> node.at("/classes/%d/accuracy".formatted(place))));
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
