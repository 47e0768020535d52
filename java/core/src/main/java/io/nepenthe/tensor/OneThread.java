package io.nepenthe.tensor;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Notices that two threads at once use what is for one at a time. A thread may enter again what it
 * has entered; threads may use it one after the other.
 */
public final class OneThread implements AutoCloseable {
  private static final VarHandle USER;

  static {
    try {
      USER = MethodHandles.lookup().findVarHandle(OneThread.class, "user", Thread.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final String what;

  @SuppressWarnings("unused") // by USER
  private volatile Thread user;

  /** How often the user has entered; only its own. */
  private int depth;

  /**
   * Nobody has entered yet.
   *
   * @param what is used, for the message: "backend"
   */
  public OneThread(String what) {
    this.what = what;
  }

  /**
   * Begins a use; {@link #close} ends it.
   *
   * @return this
   * @throws IllegalStateException if another thread is within one
   */
  public OneThread enter() {
    Thread own = Thread.currentThread();
    Thread other = (Thread) USER.compareAndExchangeAcquire(this, null, own);
    if (other != null && other != own) {
      throw new IllegalStateException(
          "a %s is for one thread at a time: %s uses this one now".formatted(what, name(other)));
    }
    depth++;
    return this;
  }

  private static String name(Thread thread) {
    return thread.getName().isEmpty() ? thread.toString() : "thread " + thread.getName();
  }

  /** Ends a use. */
  @Override
  public void close() {
    if (--depth == 0) {
      USER.setRelease(this, null);
    }
  }
}
