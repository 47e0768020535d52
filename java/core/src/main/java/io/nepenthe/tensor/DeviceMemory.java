package io.nepenthe.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Memory that Java cannot read or write: it lies on a device. A {@link Tensor} of it is copied to
 * and from the host with {@link Tensor#copyFrom}. The segments of its tensors are addresses only.
 */
public interface DeviceMemory {
  /** The device's name, for messages. */
  String name();

  /** Copies host memory to the device, and returns when that has ended. */
  void upload(MemorySegment to, MemorySegment from);

  /** Copies to host memory, and returns when that has ended. */
  void download(MemorySegment to, MemorySegment from);

  /** Copies within the device, in order with everything else that runs there. */
  void copy(MemorySegment to, MemorySegment from);

  /** Sets every byte to 0, in order with everything else that runs there. */
  void clear(MemorySegment to);
}
