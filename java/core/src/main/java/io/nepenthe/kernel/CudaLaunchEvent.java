package io.nepenthe.kernel;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A flight recorder event for each launch of a kernel; its duration is the host's part only. */
@Name("io.nepenthe.CudaLaunch")
@Label("CUDA launch")
@Category("Nepenthe")
@StackTrace(false)
final class CudaLaunchEvent extends Event {
  @Label("Kernel")
  String kernel;

  @Label("Operation and its sizes")
  String operation;

  @Label("Blocks")
  String grid;

  @Label("Threads a block")
  int block;

  @Label("Bytes that the operation moves at least")
  long bytes;

  @Label("Operations that it does")
  long flops;
}
