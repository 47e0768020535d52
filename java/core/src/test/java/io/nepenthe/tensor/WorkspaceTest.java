package io.nepenthe.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

class WorkspaceTest {
  private static MemorySegment reserve(Workspace workspace, long bytes) {
    try (Workspace.Turn turn = workspace.begin()) {
      return turn.reserve(bytes);
    }
  }

  @Test
  void reuseAllocatesNothing() {
    try (Workspace workspace = new Workspace()) {
      MemorySegment block = reserve(workspace, 1000);
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      int repetitions = 100_000;
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < repetitions; i++) {
        if (reserve(workspace, i % 1001) != block) {
          throw new AssertionError("another block at " + i);
        }
      }
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      assertTrue(allocated < repetitions, allocated + " bytes of Java heap were allocated");
      assertEquals(1000, workspace.bytes());
    }
  }

  @Test
  void itGrowsAndGivesBackTheOldBlock() {
    try (Workspace workspace = new Workspace()) {
      assertEquals(0, workspace.bytes());
      MemorySegment small = reserve(workspace, 8);
      MemorySegment large = reserve(workspace, 100_000);
      assertTrue(large.byteSize() >= 100_000);
      assertEquals(0, large.address() % Tensor.ALIGNMENT);
      large.set(ValueLayout.JAVA_BYTE, 99_999, (byte) 1);
      assertThrows(IllegalStateException.class, () -> small.get(ValueLayout.JAVA_BYTE, 0));
      assertSame(large, reserve(workspace, 8));
    }
  }

  @Test
  void misuseIsRefused() {
    Workspace workspace = new Workspace();
    IllegalArgumentException negative =
        assertThrows(IllegalArgumentException.class, () -> reserve(workspace, -1));
    assertEquals("workspace of -1 bytes", negative.getMessage());
    MemorySegment block = reserve(workspace, 8);
    workspace.close();
    workspace.close();
    assertThrows(IllegalStateException.class, () -> block.get(ValueLayout.JAVA_BYTE, 0));
    IllegalStateException closed =
        assertThrows(IllegalStateException.class, () -> reserve(workspace, 0));
    assertEquals("the workspace is closed", closed.getMessage());
  }

  @Test
  void aBlockThatNoMachineHasLeavesTheOldOne() {
    try (Workspace workspace = new Workspace()) {
      MemorySegment block = reserve(workspace, 8);
      assertThrows(OutOfMemoryError.class, () -> reserve(workspace, 1L << 60));
      assertSame(block, reserve(workspace, 8));
      block.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
    }
  }

  @Test
  void anotherThreadIsRefusedUntilTheTurnEnds() throws Exception {
    try (Workspace workspace = new Workspace()) {
      Workspace.Turn turn = workspace.begin();
      workspace.begin().close(); // within its own
      String refusal =
          "a backend is for one thread at a time: thread "
              + Thread.currentThread().getName()
              + " uses this one now";
      assertEquals(refusal, elsewhere(workspace::begin));
      assertEquals(refusal, elsewhere(workspace::close));
      turn.reserve(8).set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
      turn.close();
      assertEquals("", elsewhere(() -> workspace.begin().close()));
      assertEquals("", elsewhere(workspace::close));
    }
  }

  /** What another thread is told, which has ended then. */
  private static String elsewhere(Runnable use) throws InterruptedException {
    String[] told = {""};
    Thread other =
        new Thread(
            () -> {
              try {
                use.run();
              } catch (IllegalStateException e) {
                told[0] = e.getMessage();
              }
            });
    other.start();
    other.join();
    return told[0];
  }
}
