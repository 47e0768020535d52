package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.function.Consumer;

/** An emulated device that is full after so many blocks of memory, whatever their size. */
public final class FullDevice extends EmulatedDriver {
  private static final String TRACE = "nepenthe.cuda.trace";

  private long left;
  private boolean full;

  private FullDevice(long blocks) {
    super(EmulatedDriver.packaged(), 1);
    this.left = blocks;
  }

  @Override
  public long allocate(long bytes) {
    if (left-- > 0) {
      return super.allocate(bytes);
    }
    full = true;
    return 0;
  }

  /**
   * Does the work on devices with room for no block, for one, and so on until it succeeds: where it
   * does not, it must say so and leave nothing behind.
   */
  public static void leavesNothingBehind(Consumer<Backend> work) {
    assumeFalse(
        RequireGpu.Condition.required(), "only an emulated device is full when it is told to be");
    String checks = System.getProperty(CHECKS_PROPERTY, "true");
    System.setProperty(CHECKS_PROPERTY, "false");
    System.setProperty(TRACE, "true");
    try {
      long blocks = 0;
      while (!succeeds(work, blocks)) {
        blocks++;
      }
      assertTrue(blocks > 1, "no device was too small");
    } finally {
      System.clearProperty(TRACE);
      System.setProperty(CHECKS_PROPERTY, checks);
    }
  }

  private static boolean succeeds(Consumer<Backend> work, long blocks) {
    FullDevice device = new FullDevice(blocks);
    try (CudaBackend backend = new CudaBackend(new Device.Cuda(0, Precision.FP32), device)) {
      CudaMemory memory = backend.context().memory();
      try {
        work.accept(backend);
      } catch (CudaException e) {
        assertTrue(e.getMessage().contains("out of memory"), e.getMessage());
      }
      assertEquals(0, memory.liveBytes(), () -> "after " + blocks + " blocks: " + sites(memory));
    }
    return !device.full;
  }

  private static String sites(CudaMemory memory) {
    StringWriter text = new StringWriter();
    memory.sites().forEach(site -> site.printStackTrace(new PrintWriter(text)));
    return text.toString();
  }
}
