package io.nepenthe.data;

import java.util.Arrays;
import java.util.function.LongPredicate;

/** The seeded draws of a manipulation: which samples it takes, and which of them are known. */
final class Choice {
  private final Dataset dataset;
  private final Random64 random;
  private final Random64 known;

  Choice(Dataset dataset, long seed) {
    this.dataset = dataset;
    // Two streams, so that the manipulated samples do not depend on how many are known.
    this.random = new Random64(seed, Random64.CHOICE);
    this.known = new Random64(seed, Random64.KNOWN);
  }

  Random64 random() {
    return random;
  }

  /** The positions of {@code count} eligible samples, ascending. */
  long[] among(LongPredicate eligible, long count, String what) {
    long available = 0;
    for (long i = 0; i < dataset.size(); i++) {
      available += eligible.test(i) ? 1 : 0;
    }
    if (count > available) {
      throw new DataException(dataset.name(), "at least " + count + " " + what, "" + available);
    }
    // Selection sampling (Knuth, 3.4.2, algorithm S).
    long[] chosen = new long[Math.toIntExact(count)];
    int taken = 0;
    for (long i = 0; taken < count; i++) {
      if (eligible.test(i)) {
        if (random.nextLong(available) < count - taken) {
          chosen[taken++] = i;
        }
        available--;
      }
    }
    return chosen;
  }

  /** The outcome for an altered data set, with a random part of its altered samples as known. */
  Manipulated manipulated(Manipulation manipulation, Altered altered, double knownFraction) {
    if (!(knownFraction >= 0 && knownFraction <= 1)) {
      throw new IllegalArgumentException("known fraction must be from 0 to 1: " + knownFraction);
    }
    long[] positions = altered.positions();
    long[] ids = new long[positions.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = dataset.id(positions[i]);
    }
    Arrays.sort(ids);
    int count = (int) Math.round(knownFraction * ids.length);
    if (count == 0 && knownFraction > 0 && ids.length > 0) {
      count = 1;
    }
    long[] drawn = ids.clone();
    known.chooseFirst(drawn, count);
    long[] knownIds = Arrays.copyOf(drawn, count);
    Arrays.sort(knownIds);
    return new Manipulated(manipulation, altered, altered.withCleanLabels(), ids, knownIds);
  }

  static void requireClass(Dataset dataset, int label) {
    if (label >= dataset.classes()) {
      throw new DataException(
          dataset.name(), "a class " + label, dataset.classes() + " classes, numbered from 0");
    }
  }
}
