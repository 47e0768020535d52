package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.MembershipInference;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * What must be known to read the figures of a task, a sentence each without its full stop: which
 * there are not, and why, and what those that there are do not say.
 */
final class Caveats {
  /** Of fewer samples of a side attackers learn next to nothing. */
  private static final int FEW = 100;

  /** More classes than so many are counted, not named. */
  private static final int NAMED = 12;

  private final Task task;
  private final boolean thorough;
  private final List<String> sentences = new ArrayList<>();

  private Caveats(Task task, boolean thorough) {
    this.task = task;
    this.thorough = thorough;
  }

  /**
   * All that there are.
   *
   * @param chosenBy trusted data by which methods choose, if any do
   * @param thorough whether all attacks are made, as {@link Metrics#of} does
   */
  static List<String> of(Task task, Optional<Dataset> chosenBy, boolean thorough) {
    Caveats caveats = new Caveats(task, thorough);
    Optional<Dataset> neverSeen = task.test().or(task::heldOut);
    if (neverSeen.isPresent() && task.forget().isPresent()) {
      caveats.attacks(
          new Samples(
              task.test().isPresent() ? "test" : "held-out",
              counts(task.retain().orElseThrow()),
              counts(task.forget().get()),
              counts(neverSeen.get())));
    } else if (task.forget().isPresent()) {
      caveats.say(
          "There are neither --test nor --held-out data: how right the model is on samples never"
              + " seen, and whether the forgotten can be told from such, is not measured");
    }
    task.test().ifPresent(caveats::rates);
    caveats.sentences.addAll(Overlap.of(task, chosenBy));
    return caveats.sentences;
  }

  private void say(String format, Object... arguments) {
    sentences.add(String.format(Text.LOCALE, format, arguments));
  }

  private static long[] counts(Dataset data) {
    long[] counts = new long[data.classes()];
    for (long i = 0; i < data.size(); i++) {
      counts[data.label(i)]++;
    }
    return counts;
  }

  /**
   * How many samples there are of each class.
   *
   * @param name of the data that were never seen
   */
  private record Samples(String name, long[] retain, long[] forget, long[] seen) {
    private static long at(long[] counts, int label) {
      return label < counts.length ? counts[label] : 0;
    }

    private boolean isGone(int label) {
      return at(forget, label) > 0 && at(retain, label) == 0;
    }

    /** Samples never seen of the classes of the forgotten. */
    long like() {
      return IntStream.range(0, seen.length)
          .filter(c -> at(forget, c) > 0)
          .mapToLong(c -> seen[c])
          .sum();
    }

    /** Samples never seen of classes that are kept. */
    long kept() {
      return IntStream.range(0, seen.length).filter(c -> !isGone(c)).mapToLong(c -> seen[c]).sum();
    }

    /** Samples never seen of classes forgotten altogether. */
    long gone() {
      return LongStream.of(seen).sum() - kept();
    }

    /** Of one class, and of a side, the most. */
    long mostOfAClass() {
      return IntStream.range(0, seen.length)
          .mapToLong(c -> Math.min(seen[c], at(forget, c)))
          .max()
          .orElse(0);
    }

    /** What attackers learn from, of a side. */
    long side() {
      return Math.min(LongStream.of(retain).sum(), kept());
    }
  }

  private void attacks(Samples samples) {
    if (task.forgottenClasses().length > 0) {
      ofClasses(samples);
    }
    if (task.isRepair()) {
      say(
          "Where the forgotten bear wrong labels, as a backdoor's, a healed model is wrong by them:"
              + " attacks then tell them from other samples however well they are forgotten, and"
              + " unknown ones among what is kept lower right on the kept");
    }
    // That a class forgotten altogether has nothing to be compared with was said.
    if (samples.like() > 0 || task.forgottenClasses().length == 0) {
      comparisons(samples);
    }
    long side = samples.side();
    int least = MembershipInference.LEAST_FOR_PRIVACY;
    if (side > 0 && side < FEW) {
      say(
          "Attackers by support vectors and by the entropy learnt from %s of the kept and %s of the"
              + " %s samples%s: of so few what they judge says little, which no interval shows",
          Text.count(side),
          Text.count(side),
          samples.name,
          thorough && side < least ? ", and training privacy is not measured" : "");
    }
  }

  /** Of attacks that tell the forgotten from samples of their own classes. */
  private void comparisons(Samples samples) {
    long forgotten = LongStream.of(samples.forget).sum();
    long side = Math.min(forgotten, samples.like());
    int least = MembershipInference.LEAST_FOR_LOSS;
    if (side < least) {
      say(
          "There is no loss attack: it needs %d of the forgotten and %d %s samples of their classes,"
              + " found %s and %s",
          least, least, samples.name, Text.count(forgotten), Text.count(samples.like()));
    } else if (side < FEW) {
      say(
          "The loss attack learnt from no more than %s of the forgotten and as many %s samples: of so"
              + " few it says little, which no interval shows",
          Text.count(side), samples.name);
    }
    least = MembershipInference.LEAST_FOR_THRESHOLD;
    if (thorough && samples.mostOfAClass() < least) {
      say(
          "There is no threshold attack: it needs %d of the forgotten and %d %s samples of one"
              + " class, found no such class",
          least, least, samples.name);
    }
  }

  private void ofClasses(Samples samples) {
    String which = Task.classes(task.forget().orElseThrow(), task.forgottenClasses());
    if (samples.gone() == 0) {
      say(
          "The %s data have no sample of %s, forgotten altogether: nothing tells whether the class"
              + " is forgotten or its training samples alone, and attacks that compare the forgotten"
              + " with samples of their own classes (loss, threshold, likelihood ratio) %s",
          samples.name,
          which,
          samples.like() == 0
              ? "are not made"
              : "have those of the other classes alone, and tell classes rather than members");
      return;
    }
    say(
        "Of %s, forgotten altogether, the %s %s samples %s samples never seen of which attacks"
            + " learn; attacks that compare the forgotten with samples of their own classes (loss,"
            + " threshold, likelihood ratio) use all samples of these, and no others",
        which,
        Text.count(samples.gone()),
        samples.name,
        task.test().isPresent()
            ? "are measured apart: they count neither for test accuracy nor as"
            : "do not count as");
    if (samples.kept() == 0) {
      say(
          "All %s samples are of classes forgotten altogether: there are no attacks by support"
              + " vectors or by the entropy, which learn of kept classes",
          samples.name);
    }
  }

  /** Shares of no samples. */
  private void rates(Dataset test) {
    long[] counts = counts(test);
    int[] gone = task.forgottenClasses();
    int[] none =
        IntStream.range(0, counts.length)
            .filter(c -> counts[c] == 0 && IntStream.of(gone).noneMatch(it -> it == c))
            .toArray();
    if (none.length > 0) {
      say(
          "The test data have no sample of %s, of which no accuracy is known",
          none.length > NAMED
              ? "%s of the %s classes".formatted(Text.count(none.length), Text.count(counts.length))
              : Task.classes(test, none));
    }
    task.backdoor()
        .filter(attack -> task.attacked(test, attack).size() == 0)
        .ifPresent(
            attack ->
                say(
                    "There is no attack success: the test data have no sample of a kept class other"
                        + " than %s, the target",
                    test.classNames().get(attack.target())));
    task.confused()
        .filter(pair -> counts[pair.a()] + counts[pair.b()] == 0)
        .ifPresent(
            pair ->
                say(
                    "Nothing is known of the confused classes: the test data have no sample of %s",
                    Task.classes(test, pair.a(), pair.b())));
  }
}
