package io.nepenthe.kernel;

import java.lang.foreign.MemorySegment;

/**
 * The only seam to a device: memory, copies, kernels, time. Addresses of device memory are plain
 * numbers, so that nothing can read them by mistake. Everything runs in the order in which it was
 * asked for. A copy to the host has ended when it returns; a copy from the host has taken what it
 * copies, and the device, like its kernels, may come to it later. Used by one thread at a time. A
 * failure is a {@link CudaException} that names the call and the reason.
 */
sealed interface CudaDriver extends AutoCloseable permits EmulatedDriver, JCudaDriver {
  /** The device's name and number. */
  String name();

  /** What it is and where it was found, one {@code key=value} a line. */
  String describe();

  /**
   * Makes the device that of the calling thread, for CUDA's libraries; what is asked for here does
   * so itself.
   */
  default void enter() {}

  /** The stream that everything runs on, as CUDA's libraries take it. */
  long stream();

  /** The compute capability: 90 for 9.0. */
  int capability();

  /** How many blocks can run side by side, at least. */
  int multiprocessors();

  /** The bytes that the device has, and how many of them are free. */
  Memory memory();

  /**
   * Bytes of a device.
   *
   * @param free not taken by anybody
   */
  record Memory(long total, long free) {}

  /** Memory aligned to 256 bytes; 0 when the device has no room for it. */
  long allocate(long bytes);

  /** Gives back what {@link #allocate} gave. */
  void free(long address);

  /**
   * Tells that so many bytes of what {@link #allocate} gave are used from now on, and for something
   * new: a driver that judges accesses does so accordingly.
   */
  default void renew(long address, long bytes) {}

  /** The bytes allocated and not freed. */
  long liveBytes();

  /** Copies a host segment to the device; the segment may change as soon as this returns. */
  void upload(long to, MemorySegment from);

  /** Copies to a host segment. */
  void download(MemorySegment to, long from);

  /** Copies within the device. */
  void copy(long to, long from, long bytes);

  /** Sets bytes to 0. */
  void clear(long to, long bytes);

  /** The threads of a kernel's block, as its source has them. */
  int threads(String kernel);

  /**
   * Starts a kernel.
   *
   * @param sharedBytes dynamic shared memory of a block
   */
  void launch(String kernel, Grid grid, int sharedBytes, CudaArguments arguments);

  /** The blocks of a launch. */
  record Grid(long x, long y, long z) {
    @Override
    public String toString() {
      return x + "×" + y + "×" + z;
    }
  }

  /** Waits until everything has ended; failures of kernels show here. */
  void synchronise();

  /**
   * The seconds that the device needed for everything asked for in {@code work}: for benchmarks.
   */
  double seconds(Runnable work);

  /** Releases the device; what was allocated is lost. Closing again does nothing. */
  @Override
  void close();
}
