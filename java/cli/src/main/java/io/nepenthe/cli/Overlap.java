package io.nepenthe.cli;

import io.nepenthe.data.Contents;
import io.nepenthe.data.Dataset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Says where the same samples are in parts of a task that should have none in common, whatever
 * their ids are there: copies of what is forgotten among what is kept, and samples called never
 * seen that were.
 */
final class Overlap {
  private Overlap() {}

  /**
   * A sentence for each two parts that share samples, without its full stop.
   *
   * @param chosenBy trusted data by which methods choose, if any do
   */
  static List<String> of(Task task, Optional<Dataset> chosenBy) {
    List<String> sentences = new ArrayList<>();
    Optional<Part> retain = task.retain().map(it -> Part.of(it, "kept"));
    Optional<Part> forget = task.forget().map(it -> Part.of(it, "forgotten"));
    Optional<Part> test = task.test().map(it -> Part.of(it, "test"));
    Optional<Part> trusted = chosenBy.or(task::heldOut).map(it -> Part.of(it, "held-out"));
    say(
        sentences,
        forget,
        retain,
        "among those that are kept as well: a model trained anew has seen them too");
    for (Optional<Part> seen : List.of(test, trusted)) {
      say(sentences, seen, forget, "among the forgotten: they are no samples never seen");
      say(
          sentences,
          seen,
          retain,
          "among those that are trained on: they are no samples never seen");
    }
    if (chosenBy.isPresent()) {
      say(
          sentences,
          test,
          trusted,
          "among the held-out ones, by which methods choose: test figures are not independent of"
              + " that choice");
    }
    return sentences;
  }

  /** Whether some samples of one are in the other. */
  static boolean between(Dataset one, Dataset other) {
    return Contents.of(one).in(Contents.of(other)) > 0;
  }

  private record Part(String name, long size, Contents contents) {
    static Part of(Dataset data, String name) {
      return new Part(name, data.size(), Contents.of(data));
    }
  }

  private static void say(
      List<String> sentences, Optional<Part> some, Optional<Part> others, String what) {
    if (some.isPresent() && others.isPresent()) {
      long count = some.get().contents.in(others.get().contents);
      if (count > 0) {
        sentences.add(
            "%s of the %s %s samples are, pixel for pixel, %s"
                .formatted(Text.count(count), Text.count(some.get().size), some.get().name, what));
      }
    }
  }
}
