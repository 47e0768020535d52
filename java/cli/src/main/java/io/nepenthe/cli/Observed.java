package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Splits;
import java.util.Optional;

/**
 * A model's outputs for the parts of a {@link Task}; each part may be absent.
 *
 * @param heldOut for data that stand for the test data in membership attacks where there are none
 * @param triggered for the test images of {@link #keptTest} that carry the backdoor's square, under
 *     their true labels
 * @param target the class that the square gives; -1 without a backdoor
 * @param confused two classes that may be taken for each other
 */
record Observed(
    Optional<Predictions> test,
    Optional<Predictions> forget,
    Optional<Predictions> retain,
    Optional<Predictions> heldOut,
    Optional<Predictions> triggered,
    int target,
    Optional<Confused.Pair> confused) {
  /** The three parts that forgetting is judged by, if all are there. */
  Optional<Splits> splits() {
    return test.or(() -> heldOut).flatMap(this::splits);
  }

  private Optional<Splits> splits(Predictions neverSeen) {
    return forget.isEmpty() || retain.isEmpty()
        ? Optional.empty()
        : Optional.of(new Splits(retain.get(), forget.get(), neverSeen));
  }

  /** Those for the test data of classes that are not forgotten altogether. */
  Optional<Predictions> keptTest() {
    return test.flatMap(this::splits).map(Splits::keptTest).or(() -> test);
  }

  /** Those for the test data of classes that are forgotten altogether, if there are any. */
  Optional<Predictions> forgottenTest() {
    return test.flatMap(this::splits).map(Splits::forgottenTest).filter(it -> it.size() > 0);
  }

  /** Those for {@link Task#strangers}. */
  Predictions strangers() {
    Splits splits = splits().orElseThrow();
    return splits.forgottenClasses().length == 0 ? splits.test() : splits.likeForgotten();
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
    test.ifPresent(it -> confused.ifPresent(pair -> pair.to(it, node)));
    triggered.ifPresent(
        it ->
            node.put("attackSuccessRate", it.share(n -> it.answer(n) == target))
                .put("correctedAccuracy", it.accuracy()));
    forget.ifPresent(
        it ->
            node.put("forgetAccuracy", it.accuracy()).put("unlearningAccuracy", 1 - it.accuracy()));
    retain.ifPresent(it -> node.put("retainAccuracy", it.accuracy()));
  }

  /** Adds each class's accuracy on the test data, and how often each was taken for each. */
  void classes(Dataset named, ObjectNode node) {
    test.ifPresent(
        it -> {
          ArrayNode classes = node.putArray("classes");
          double[] accuracy = it.accuracyByClass();
          for (int c = 0; c < named.classes(); c++) {
            ObjectNode one = classes.addObject().put("name", named.classNames().get(c));
            if (Double.isNaN(accuracy[c])) {
              one.putNull("accuracy");
            } else {
              one.put("accuracy", accuracy[c]);
            }
          }
          ArrayNode confusion = node.putArray("confusion");
          long[][] counts = it.confusion();
          for (int c = 0; c < named.classes(); c++) {
            ArrayNode cells = confusion.addArray();
            for (long cell : counts[c]) {
              cells.add(cell);
            }
          }
        });
  }
}
