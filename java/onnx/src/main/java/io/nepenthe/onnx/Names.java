package io.nepenthe.onnx;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** Hands out names, each once. */
final class Names {
  private final Predicate<String> reserved;
  private final Set<String> used = new HashSet<>();
  private final Map<String, Integer> counts = new HashMap<>();

  Names() {
    this(_ -> false);
  }

  /**
   * Names out of which some are reserved.
   *
   * @param reserved names that are handed out only where they are asked for by {@link #take}
   */
  Names(Predicate<String> reserved) {
    this.reserved = reserved;
  }

  /** Takes a name; false if it was taken before. */
  boolean take(String name) {
    return used.add(name);
  }

  /** The wished name, or with the lowest number behind it that makes it new. */
  String fresh(String wish) {
    if (!reserved.test(wish) && take(wish)) {
      return wish;
    }
    int number = counts.getOrDefault(wish, 2);
    while (reserved.test(wish + "_" + number) || !take(wish + "_" + number)) {
      number++;
    }
    counts.put(wish, number + 1);
    return wish + "_" + number;
  }
}
