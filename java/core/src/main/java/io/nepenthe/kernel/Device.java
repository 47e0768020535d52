package io.nepenthe.kernel;

/** Where operations run. */
public sealed interface Device {
  /** The processor, with all its cores. */
  static Device cpu() {
    return cpu(Runtime.getRuntime().availableProcessors());
  }

  /**
   * The processor, with at most this many threads. No result depends on the number.
   *
   * @throws IllegalArgumentException if {@code threads} is not in 1…1024
   */
  static Device cpu(int threads) {
    return new Cpu(threads);
  }

  /** Opens the device; the caller closes the backend. */
  Backend open();

  /** The processor. */
  record Cpu(int threads) implements Device {
    /** Checks the number of threads. */
    public Cpu {
      if (threads < 1 || threads > 1024) {
        throw new IllegalArgumentException("threads must be in 1…1024, found " + threads);
      }
    }

    @Override
    public Backend open() {
      return new CpuBackend(threads);
    }
  }
}
