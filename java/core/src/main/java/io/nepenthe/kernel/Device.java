package io.nepenthe.kernel;

import java.util.Optional;

/** Where operations run. */
public sealed interface Device {
  /** The most threads that the processor's operations take. */
  int MOST_THREADS = 1024;

  /** The processor, with {@link #threads} threads. */
  static Device cpu() {
    return cpu(threads());
  }

  /** As many threads as there are processors, at most {@value #MOST_THREADS}. */
  static int threads() {
    return Math.min(Runtime.getRuntime().availableProcessors(), MOST_THREADS);
  }

  /**
   * The processor, with at most this many threads. No result depends on the number.
   *
   * @throws IllegalArgumentException if {@code threads} is not in 1…{@value #MOST_THREADS}
   */
  static Device cpu(int threads) {
    return new Cpu(threads);
  }

  /** The CUDA device of that number, multiplying in float32. */
  static Device cuda(int ordinal) {
    return new Cuda(ordinal, Precision.FP32);
  }

  /** The CUDA device of that number. */
  static Device cuda(int ordinal, Precision precision) {
    return new Cuda(ordinal, precision);
  }

  /** The first CUDA device if it can be used, else the processor. */
  static Device best() {
    return Cuda.unavailable(0).isEmpty() ? cuda(0) : cpu();
  }

  /**
   * Opens the device; the caller closes the backend.
   *
   * @throws NativeException if the native library does not load, or the system does not let so many
   *     threads run
   */
  Backend open();

  /** The processor. */
  record Cpu(int threads) implements Device {
    /** Checks the number of threads. */
    public Cpu {
      if (threads < 1 || threads > MOST_THREADS) {
        throw new IllegalArgumentException(
            "threads must be in 1…" + MOST_THREADS + ", found " + threads);
      }
    }

    @Override
    public Backend open() {
      return new CpuBackend(threads);
    }
  }

  /**
   * A CUDA device. {@code -Dnepenthe.cuda=emulated} stands for one where there is none: it runs the
   * same kernels on the processor, slowly, and checks every access; {@code off} hides all devices.
   *
   * @param ordinal its number, from 0
   * @param precision of the factors of matrix products
   */
  record Cuda(int ordinal, Precision precision) implements Device {
    /** Which devices there are: {@code real} (the default), {@code emulated} or {@code off}. */
    public static final String PROPERTY = "nepenthe.cuda";

    /** Checks the number. */
    public Cuda {
      if (ordinal < 0) {
        throw new IllegalArgumentException("a device's number is at least 0, found " + ordinal);
      }
    }

    /**
     * Why that device cannot be used; empty if it can.
     *
     * @throws CudaException if {@value #PROPERTY} has an unknown value
     */
    public static Optional<String> unavailable(int ordinal) {
      return CudaBackend.unavailable(ordinal);
    }

    /**
     * @throws CudaException if the device cannot be used, with the reason
     */
    @Override
    public Backend open() {
      return CudaBackend.open(this);
    }
  }
}
