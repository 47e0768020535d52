package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;

import java.lang.invoke.MethodHandle;

/** The binding of nep_startable_threads (native/src/library.cpp). */
final class CpuThreads {
  private static final MethodHandle STARTABLE =
      NativeLibrary.function("nep_startable_threads", INT, INT);

  private CpuThreads() {}

  /**
   * Refuses more threads than the system lets run: OpenMP would end the whole process when it could
   * not start one.
   *
   * @throws NativeException if there are too many
   */
  static void require(int threads) {
    int startable;
    try {
      startable = (int) STARTABLE.invokeExact(threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
    if (startable < threads) {
      throw new NativeException(
          "wanted: "
              + threads
              + " threads for the processor\ntried: to start them; the system let "
              + startable
              + " run\nlikely cause: a limit on processes (ulimit -u, a container's pids.max) or on"
              + " memory (ulimit -v)\nremedy: raise it, or take fewer threads: --threads, or"
              + " Device.cpu(threads)");
    }
  }
}
