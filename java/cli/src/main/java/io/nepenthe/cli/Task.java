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
      return new Observed(
          test.map(data -> predictions(model, predictor, data)),
          forget.map(data -> predictions(model, predictor, data)),
          retain.map(data -> predictions(model, predictor, data)),
          heldOut.map(data -> predictions(model, predictor, data)),
          test.flatMap(
              data ->
                  backdoor.map(
                      attack ->
                          predictions(
                              model, predictor, attack.triggered(kept(data, forgottenClasses()))))),
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
  private static String classes(Dataset named, int... labels) {
    return (labels.length == 1 ? "class " : "classes ")
        + IntStream.of(labels).mapToObj(named.classNames()::get).collect(Collectors.joining(", "));
  }

  /** What else must be known to read the figures, a sentence each without its full stop. */
  List<String> notes() {
    Optional<Dataset> neverSeen = test.or(() -> heldOut);
    return Stream.concat(
            neverSeen.filter(_ -> forgottenClasses().length > 0).map(this::ofClasses).stream(),
            neverSeen.filter(_ -> isRepair() && forget.isPresent()).map(_ -> ofLabels()).stream())
        .toList();
  }

  private boolean isRepair() {
    return backdoor.isPresent() || confused.isPresent();
  }

  private static String ofLabels() {
    return "Where the forgotten bear wrong labels, as a backdoor's, a healed model is wrong by them:"
        + " attacks then tell them from other samples however well they are forgotten, and unknown"
        + " ones among what is kept lower right on the kept";
  }

  private String ofClasses(Dataset neverSeen) {
    int[] gone = forgottenClasses();
    String data = test.isPresent() ? "test" : "held-out";
    String which = classes(forget.orElseThrow(), gone);
    long samples = Datasets.ofClasses(neverSeen, gone).size();
    return samples == 0
        ? "The %s data have no sample of %s, forgotten altogether: nothing tells whether the class"
                .formatted(data, which)
            + " is forgotten or its training samples alone, and attacks that compare the forgotten"
            + " with samples of their own class (loss, threshold, likelihood ratio) are not made"
        : "Of %s, forgotten altogether, the %s %s samples %s samples never seen of which attacks"
                .formatted(
                    which,
                    Text.count(samples),
                    data,
                    test.isPresent()
                        ? "are measured apart: they count neither for test accuracy nor as"
                        : "do not count as")
            + " learn; attacks that compare the forgotten with samples of their own class (loss,"
            + " threshold, likelihood ratio) use them alone";
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
