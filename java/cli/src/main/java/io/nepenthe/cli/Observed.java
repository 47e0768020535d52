package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Splits;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A model's outputs for the parts of a {@link Task}; each part may be absent.
 *
 * @param triggered for the test images of {@link #keptTest} that carry the backdoor's square, under
 *     their true labels
 * @param splits the three parts that forgetting is judged by, if all are there
 * @param target the class that the square gives; -1 without a backdoor
 * @param confused two classes that may be taken for each other
 */
record Observed(
    Optional<Predictions> test,
    Optional<Predictions> forget,
    Optional<Predictions> retain,
    Optional<Predictions> triggered,
    Optional<Splits> splits,
    int target,
    Optional<Confused.Pair> confused) {
  /** Those for the test data of classes that are not forgotten altogether. */
  Optional<Predictions> keptTest() {
    return test.flatMap(_ -> splits).map(Splits::keptTest).or(() -> test);
  }

  /** Those for the test data of classes that are forgotten altogether, if there are any. */
  Optional<Predictions> forgottenTest() {
    return test.flatMap(_ -> splits).map(Splits::forgottenTest).filter(it -> it.size() > 0);
  }

  /** Those for {@link Task#strangers}. */
  Predictions strangers() {
    Splits parts = splits.orElseThrow();
    return parts.forgottenClasses().length == 0 ? parts.test() : parts.likeForgotten();
  }

  /** Those for the test data of the two classes that may be taken for each other. */
  Optional<Predictions> ofConfused() {
    return test.flatMap(
        it ->
            confused.map(
                pair -> it.where(n -> it.label(n) == pair.a() || it.label(n) == pair.b())));
  }

  /** Adds the rates, as fractions of one, under their names. */
  void rates(ObjectNode node) {
    keptTest()
        .ifPresent(
            it -> node.put("testAccuracy", it.accuracy()).put("cleanAccuracy", it.accuracy()));
    forgottenTest().ifPresent(it -> node.put("forgottenClassTestAccuracy", it.accuracy()));
    ofConfused().filter(it -> it.size() > 0).ifPresent(_ -> confused.get().to(test.get(), node));
    triggered
        .filter(it -> it.size() > 0)
        .ifPresent(
            it ->
                node.put("attackSuccessRate", it.share(n -> it.answer(n) == target))
                    .put("correctedAccuracy", it.accuracy()));
    forget.ifPresent(
        it ->
            node.put("forgetAccuracy", it.accuracy()).put("unlearningAccuracy", 1 - it.accuracy()));
    retain.ifPresent(it -> node.put("retainAccuracy", it.accuracy()));
  }

  /**
   * Adds each class's accuracy on the test data, and how often each was taken for each.
   *
   * @param names of the classes; an answer beyond them has its number for a name
   */
  void classes(List<String> names, ObjectNode node) {
    test.ifPresent(
        it -> {
          long[][] counts = it.confusion();
          int shown = Math.max(names.size(), 1 + largest(it));
          ArrayNode classes = node.putArray("classes");
          double[] accuracy = it.accuracyByClass();
          for (int c = 0; c < shown; c++) {
            ObjectNode one = classes.addObject().put("name", Text.className(names, c));
            if (Double.isNaN(accuracy[c])) {
              one.putNull("accuracy");
            } else {
              one.put("accuracy", accuracy[c]);
            }
          }
          ArrayNode confusion = node.putArray("confusion");
          for (int c = 0; c < shown; c++) {
            ArrayNode cells = confusion.addArray();
            Arrays.stream(counts[c], 0, shown).forEach(cells::add);
          }
        });
  }

  private static int largest(Predictions answers) {
    return IntStream.range(0, answers.size()).map(answers::answer).max().orElse(0);
  }
}
