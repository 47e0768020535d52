package io.nepenthe.kernel;

import io.nepenthe.tensor.DeviceMemory;
import io.nepenthe.tensor.OneThread;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * The memory of a device. Blocks that were given back are kept and handed out again, so that a
 * repeated step does not wait for the driver: the device's allocation is a synchronisation.
 */
final class CudaMemory implements DeviceMemory, AutoCloseable {
  private static final long SMALL = 256;
  private static final long LARGE = 2L << 20;

  private final CudaDriver driver;
  private final OneThread users;
  private final TreeMap<Long, Deque<Long>> spare = new TreeMap<>();
  private final Map<Long, Long> sizes = new HashMap<>();
  private final Map<Long, Throwable> sites = new HashMap<>();
  private final boolean traced = Boolean.getBoolean("nepenthe.cuda.trace");
  private boolean closed;

  CudaMemory(CudaDriver driver, OneThread users) {
    this.driver = driver;
    this.users = users;
  }

  /** Zeros in memory that the arena gives back when it closes. */
  Tensor zeros(Arena arena, Shape shape) {
    long address = take(shape.bytes(), () -> "a tensor of shape " + shape);
    MemorySegment segment =
        CudaLibrary.segment(address, shape.bytes(), arena, () -> giveBack(address));
    Tensor tensor = Tensor.of(segment, shape, this);
    tensor.clear();
    return tensor;
  }

  /**
   * A block of at least that size.
   *
   * @param what it is for, for the message
   * @throws CudaException if there is no room
   */
  synchronized long take(long bytes, Supplier<String> what) {
    long size = rounded(bytes);
    Map.Entry<Long, Deque<Long>> fitting = spare.ceilingEntry(size);
    if (fitting != null && fitting.getKey() <= size + size / 4) {
      long address = fitting.getValue().pop();
      if (fitting.getValue().isEmpty()) {
        spare.remove(fitting.getKey());
      }
      sizes.put(address, fitting.getKey());
      driver.renew(address, bytes);
      trace(address);
      return address;
    }
    long address = driver.allocate(size);
    if (address == 0) {
      release();
      address = driver.allocate(size);
    }
    if (address == 0) {
      CudaDriver.Memory memory = driver.memory();
      throw new CudaException(
          "%s is out of memory: %s needs %,d bytes; %,d of %,d are free, %,d are in use here; remedy: a smaller batch, or --device cpu"
              .formatted(
                  driver.name(), what.get(), size, memory.free(), memory.total(), liveBytes()));
    }
    sizes.put(address, size);
    driver.renew(address, bytes);
    trace(address);
    return address;
  }

  private void trace(long address) {
    if (traced) {
      sites.put(address, new Throwable("allocated here"));
    }
  }

  /** Ends the use of a block; after {@link #close} nothing is left to do. */
  synchronized void giveBack(long address) {
    if (!closed) {
      long size = sizes.remove(address);
      sites.remove(address);
      spare.computeIfAbsent(size, _ -> new ArrayDeque<>()).push(address);
    }
  }

  private static long rounded(long bytes) {
    long unit = bytes < LARGE ? SMALL : LARGE;
    return Math.max(1, (bytes + unit - 1) / unit) * unit;
  }

  /** The bytes in use. */
  synchronized long liveBytes() {
    return sizes.values().stream().mapToLong(Long::longValue).sum();
  }

  /** The bytes that can still be had: free on the device, or kept here. */
  synchronized long freeBytes() {
    long kept = spare.entrySet().stream().mapToLong(e -> e.getKey() * e.getValue().size()).sum();
    return driver.memory().free() + kept;
  }

  /** Where the blocks in use were allocated, if {@code -Dnepenthe.cuda.trace=true}. */
  synchronized List<Throwable> sites() {
    return new ArrayList<>(sites.values());
  }

  /** Gives everything that is kept back to the device. */
  private void release() {
    spare.values().forEach(blocks -> blocks.forEach(driver::free));
    spare.clear();
  }

  @Override
  public String name() {
    return driver.name();
  }

  @Override
  public void upload(MemorySegment to, MemorySegment from) {
    if (to.byteSize() > 0) {
      try (OneThread _ = users.enter()) {
        driver.upload(to.address(), from);
      }
    }
  }

  @Override
  public void download(MemorySegment to, MemorySegment from) {
    if (to.byteSize() > 0) {
      try (OneThread _ = users.enter()) {
        driver.download(to, from.address());
      }
    }
  }

  @Override
  public void copy(MemorySegment to, MemorySegment from) {
    if (to.byteSize() > 0) {
      try (OneThread _ = users.enter()) {
        driver.copy(to.address(), from.address(), to.byteSize());
      }
    }
  }

  @Override
  public void clear(MemorySegment to) {
    if (to.byteSize() > 0) {
      try (OneThread _ = users.enter()) {
        driver.clear(to.address(), to.byteSize());
      }
    }
  }

  /** Gives all memory back to the device, what is in use too; closing again does nothing. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      release();
      sizes.keySet().forEach(driver::free);
      sizes.clear();
    }
  }
}
