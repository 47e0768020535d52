package io.nepenthe.kernel;

import io.nepenthe.tensor.OneThread;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Launches on one device, and the operation that they belong to. */
final class CudaContext implements AutoCloseable {
  /** Blocks side by side on a multiprocessor, for kernels that loop over a grid. */
  private static final int WAVES = 16;

  private final CudaDriver driver;
  private final OneThread users = new OneThread("backend");
  private final CudaMemory memory;
  private final CudaArguments arguments = new CudaArguments();
  private final CudaRanges ranges = CudaRanges.find();

  CudaContext(CudaDriver driver) {
    this.driver = driver;
    this.memory = new CudaMemory(driver, users);
  }

  CudaDriver driver() {
    return driver;
  }

  CudaMemory memory() {
    return memory;
  }

  /** Who is within an operation or a copy. */
  OneThread users() {
    return users;
  }

  /**
   * Begins an operation: a range on the profiler's time line. Its tensors may lie on the host; then
   * they are copied to the device, and the written ones back when it is closed.
   *
   * @param sizes for messages
   * @throws IllegalStateException if another thread is within one
   */
  Operation begin(String name, Object sizes, long bytes, long flops) {
    driver.enter();
    users.enter();
    ranges.push(name);
    return new Operation(name, sizes, bytes, flops);
  }

  /** The same of one that goes once through {@code arrays} arrays of a tensor's size. */
  Operation begin(String name, Tensor tensor, int arrays) {
    return begin(name, tensor.shape(), arrays * tensor.shape().bytes(), tensor.elements());
  }

  /** Blocks of a kernel that loops over a grid, {@code each} elements a thread at a time. */
  long blocks(String kernel, long elements, int each) {
    long perBlock = (long) driver.threads(kernel) * each;
    long needed = Math.max(1, (elements + perBlock - 1) / perBlock);
    return Math.min(needed, (long) driver.multiprocessors() * WAVES);
  }

  /** Blocks of a kernel with a thread for every element. */
  long allBlocks(String kernel, long elements) {
    int threads = driver.threads(kernel);
    return Math.max(1, (elements + threads - 1) / threads);
  }

  /** One operation: what it copied and borrowed is put back when it is closed. */
  final class Operation implements AutoCloseable {
    private final String name;
    private final Object sizes;
    private final long bytes;
    private final long flops;
    private final List<Long> borrowed = new ArrayList<>();
    private final List<Staged> written = new ArrayList<>();

    private record Staged(Tensor host, long address) {}

    private Operation(String name, Object sizes, long bytes, long flops) {
      this.name = name;
      this.sizes = sizes;
      this.bytes = bytes;
      this.flops = flops;
    }

    /** What it is, made only where somebody reads it: operations are many and short. */
    private String words() {
      return name + " " + sizes;
    }

    /** Where the values of a tensor lie on the device; 0 for an empty one. */
    long read(Tensor tensor) {
      if (tensor.elements() == 0) {
        return 0;
      }
      if (!tensor.onHost()) {
        requireHere(tensor);
        return tensor.address();
      }
      long address = scratch(tensor.shape().bytes());
      driver.upload(address, tensor.segment());
      return address;
    }

    /** The same for a tensor that is read and written. */
    long update(Tensor tensor) {
      long address = read(tensor);
      return writeBack(tensor, address);
    }

    /** The same for a tensor that is overwritten as a whole. */
    long write(Tensor tensor) {
      if (tensor.elements() == 0 || !tensor.onHost()) {
        return update(tensor);
      }
      return writeBack(tensor, scratch(tensor.shape().bytes()));
    }

    private long writeBack(Tensor tensor, long address) {
      if (address != 0 && tensor.onHost()) {
        written.add(new Staged(tensor, address));
      }
      return address;
    }

    private void requireHere(Tensor tensor) {
      if (tensor.device().orElseThrow() != memory) {
        throw new IllegalArgumentException(
            words() + ": " + tensor + " lies on " + tensor.device().get().name());
      }
    }

    /** A copy on the device of memory of the host. */
    long upload(MemorySegment host) {
      long address = scratch(Math.max(1, host.byteSize()));
      driver.upload(address, host);
      return address;
    }

    /** Memory for the time of the operation; its content means nothing. */
    long scratch(long size) {
      long address = memory.take(size, this::words);
      borrowed.add(address);
      return address;
    }

    /** The same, of zeros. */
    long zeros(long size) {
      long address = scratch(size);
      driver.clear(address, size);
      return address;
    }

    /** Copies within the device. */
    void copy(long to, long from, long size) {
      driver.copy(to, from, size);
    }

    void launch(String kernel, long blocks, Object... values) {
      launch(kernel, new CudaDriver.Grid(blocks, 1, 1), values);
    }

    void launch(String kernel, CudaDriver.Grid grid, Object... values) {
      launch(kernel, grid, 0, values);
    }

    /** With dynamic shared memory. */
    void launch(String kernel, CudaDriver.Grid grid, int sharedBytes, Object[] values) {
      CudaLaunchEvent event = new CudaLaunchEvent();
      event.begin();
      arguments.set(values);
      try {
        driver.launch(kernel, grid, sharedBytes, arguments);
      } catch (CudaException e) {
        throw new CudaException(e.getMessage() + " (in " + words() + ")", e);
      }
      if (event.shouldCommit()) {
        event.kernel = kernel;
        event.operation = words();
        event.grid = grid.toString();
        event.block = driver.threads(kernel);
        event.bytes = bytes;
        event.flops = flops;
        event.commit();
      }
    }

    /** Copies back what is the host's. */
    void finish() {
      written.forEach(staged -> driver.download(staged.host.segment(), staged.address));
      written.clear();
    }

    /** Ends the range and gives the memory back; {@link #finish} must have come before. */
    @Override
    public void close() {
      try (users) {
        borrowed.forEach(memory::giveBack);
        borrowed.clear();
        ranges.pop();
      }
    }
  }

  @Override
  public void close() {
    try (driver) {
      memory.close();
    }
  }
}
