package io.nepenthe.nn;

/**
 * Hears how far a long computation has come. Called from the thread that computes; throwing ends
 * it.
 */
@FunctionalInterface
public interface Progress {
  /** Hears nothing. */
  Progress NONE = (done, total) -> {};

  /**
   * Some more is done.
   *
   * @param done units so far, from 1 to {@code total}
   * @param total units in all
   */
  void report(long done, long total);
}
