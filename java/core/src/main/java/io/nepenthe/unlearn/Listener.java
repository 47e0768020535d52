package io.nepenthe.unlearn;

/** Hears how far a method has come. Called from the thread that computes; throwing ends it. */
@FunctionalInterface
public interface Listener {
  /** Hears nothing. */
  Listener NONE = (phase, done, total) -> {};

  /**
   * Some more is done.
   *
   * @param phase as in {@link Trace#seconds}
   * @param done units so far: samples, or tries of a search
   * @param total units of this phase in all
   */
  void report(String phase, long done, long total);
}
