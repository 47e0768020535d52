package io.nepenthe.kernel;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A flight recorder event for each copy between the host and a device. */
@Name("io.nepenthe.CudaTransfer")
@Label("CUDA transfer")
@Category("Nepenthe")
@StackTrace(false)
final class CudaTransferEvent extends Event {
  @Label("To the device")
  boolean toDevice;

  @Label("Bytes")
  long bytes;

  /**
   * Ends the time of a copy that began when this was made, and records it where somebody listens.
   */
  void ended(boolean toDevice, long bytes) {
    if (shouldCommit()) {
      this.toDevice = toDevice;
      this.bytes = bytes;
      commit();
    }
  }

  static CudaTransferEvent begun() {
    CudaTransferEvent event = new CudaTransferEvent();
    event.begin();
    return event;
  }
}
