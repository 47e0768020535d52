package io.nepenthe.nn;

import java.util.function.Supplier;

/** What a constructor takes and has to give back if it fails: nobody else knows of it. */
public final class Owned {
  private Owned() {}

  /** Makes something; if that fails, {@code close} gives back what was taken before. */
  public static <T> T orClose(Runnable close, Supplier<T> make) {
    try {
      return make.get();
    } catch (RuntimeException | Error e) {
      close.run();
      throw e;
    }
  }
}
