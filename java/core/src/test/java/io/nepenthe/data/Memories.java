package io.nepenthe.data;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/** How much memory this thread has asked the heap for. */
final class Memories {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Memories() {}

  static long allocated() {
    return THREADS.getCurrentThreadAllocatedBytes();
  }
}
