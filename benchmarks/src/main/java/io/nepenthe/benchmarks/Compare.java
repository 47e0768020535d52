package io.nepenthe.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What changed from one report to another.
 *
 * @param changes one per benchmark and parameters that both reports have, in the second's order
 * @param onlyBefore titles that the second lacks
 * @param onlyAfter titles that the first lacks
 */
record Compare(List<Change> changes, List<String> onlyBefore, List<String> onlyAfter) {
  /** Differences below this share of the earlier time are never called real. */
  static final double FLOOR = 0.03;

  /** What a difference is called. */
  enum Verdict {
    /** Within both intervals or the floor. */
    SAME,
    /** Less time, beyond both intervals and the floor. */
    FASTER,
    /** More time, beyond both intervals and the floor. */
    SLOWER,
    /** A run has a single iteration, so no interval. */
    UNKNOWN
  }

  /**
   * One benchmark in both reports.
   *
   * @param ratio the later time over the earlier one
   */
  record Change(String title, Report.Row before, Report.Row after, double ratio, Verdict verdict) {}

  /**
   * Compares two reports.
   *
   * @throws IllegalArgumentException if one is of a quick run, or they are of different machines
   */
  static Compare of(Report before, Report after) {
    if (before.quick() || after.quick()) {
      throw new IllegalArgumentException("a quick run's figures mean nothing");
    }
    if (!before.machine().sameHardware(after.machine())) {
      throw new IllegalArgumentException(
          "different machines: " + before.machine() + " and " + after.machine());
    }
    Map<String, Report.Row> earlier = byTitle(before);
    Map<String, Report.Row> later = byTitle(after);
    List<Change> changes = new ArrayList<>();
    List<String> onlyAfter = new ArrayList<>();
    later.forEach(
        (title, row) -> {
          Report.Row old = earlier.get(title);
          if (old == null) {
            onlyAfter.add(title);
          } else {
            double ratio = row.milliseconds() / old.milliseconds();
            changes.add(new Change(title, old, row, ratio, verdict(old, row)));
          }
        });
    List<String> onlyBefore =
        earlier.keySet().stream().filter(title -> !later.containsKey(title)).toList();
    return new Compare(changes, onlyBefore, onlyAfter);
  }

  private static Map<String, Report.Row> byTitle(Report report) {
    return report.rows().stream()
        .collect(
            Collectors.toMap(
                Report.Row::title,
                Function.identity(),
                (first, second) -> first,
                LinkedHashMap::new));
  }

  private static Verdict verdict(Report.Row before, Report.Row after) {
    double difference = after.milliseconds() - before.milliseconds();
    double noise = before.interval() + after.interval();
    if (Double.isNaN(noise)) {
      return Verdict.UNKNOWN;
    }
    if (Math.abs(difference) <= Math.max(noise, FLOOR * before.milliseconds())) {
      return Verdict.SAME;
    }
    return difference < 0 ? Verdict.FASTER : Verdict.SLOWER;
  }

  /** Whether something became slower. */
  boolean anySlower() {
    return changes.stream().anyMatch(change -> change.verdict() == Verdict.SLOWER);
  }

  /** For people. */
  String table() {
    List<String> lines = new ArrayList<>();
    int width = changes.stream().mapToInt(change -> change.title().length()).max().orElse(0);
    for (Change change : changes) {
      lines.add(
          String.format(
              Locale.ROOT,
              "%-" + width + "s %10.4f ± %-9.4f → %10.4f ± %-9.4f ms %6.2f× %s",
              change.title(),
              change.before().milliseconds(),
              change.before().interval(),
              change.after().milliseconds(),
              change.after().interval(),
              change.ratio(),
              change.verdict()));
    }
    onlyBefore.forEach(title -> lines.add(title + ": only in the first"));
    onlyAfter.forEach(title -> lines.add(title + ": only in the second"));
    return String.join("\n", lines);
  }
}
