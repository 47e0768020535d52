package io.nepenthe.benchmarks;

/**
 * What one call of a benchmark method moves and computes, from the operation's own model. Every
 * benchmark class has a {@code static Cost cost(String method, Function<String, String>
 * parameter)}.
 *
 * @param bytes to and from memory
 * @param flops float operations, a multiply-add counting two
 */
record Cost(long bytes, long flops) {
  /** A peer, timed for comparison, whose work has no model here. */
  static final Cost UNKNOWN = new Cost(0, 0);
}
