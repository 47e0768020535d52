package io.nepenthe.nn;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * What an object takes for its own use and gives back when it is closed, the last first; also when
 * its constructor fails, as nobody else knows of it then.
 */
public final class Owned implements AutoCloseable {
  private final Deque<Runnable> closes = new ArrayDeque<>();

  /** Makes something; if that fails, {@code close} gives back what was taken before. */
  public static <T> T orClose(Runnable close, Supplier<T> make) {
    try {
      return make.get();
    } catch (RuntimeException | Error e) {
      close.run();
      throw e;
    }
  }

  /** Completes something; if that fails, {@code close} gives back what was taken. */
  public static void completeOrClose(Runnable close, Runnable complete) {
    orClose(
        close,
        () -> {
          complete.run();
          return null;
        });
  }

  /** Makes something to be closed with the rest; if that fails, the rest is closed. */
  public <T> T take(Supplier<T> make, Consumer<T> close) {
    T made = make(make);
    closes.push(() -> close.accept(made));
    return made;
  }

  /** Makes something that needs no closing; if that fails, what was taken is closed. */
  public <T> T make(Supplier<T> make) {
    return orClose(this::close, make);
  }

  /** Closes what was taken, all of it even where something fails; again, it does nothing. */
  @Override
  public void close() {
    Runnable last = closes.poll();
    if (last != null) {
      try (this) {
        last.run();
      }
    }
  }
}
