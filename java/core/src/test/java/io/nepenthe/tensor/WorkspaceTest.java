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
  @Test
  void reuseAllocatesNothing() {
    try (Workspace workspace = new Workspace()) {
      MemorySegment block = workspace.reserve(1000);
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      int repetitions = 100_000;
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < repetitions; i++) {
        if (workspace.reserve(i % 1001) != block) {
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
      MemorySegment small = workspace.reserve(8);
      MemorySegment large = workspace.reserve(100_000);
      assertTrue(large.byteSize() >= 100_000);
      assertEquals(0, large.address() % Tensor.ALIGNMENT);
      large.set(ValueLayout.JAVA_BYTE, 99_999, (byte) 1);
      assertThrows(IllegalStateException.class, () -> small.get(ValueLayout.JAVA_BYTE, 0));
      assertSame(large, workspace.reserve(8));
    }
  }

  @Test
  void misuseIsRefused() {
    Workspace workspace = new Workspace();
    IllegalArgumentException negative =
        assertThrows(IllegalArgumentException.class, () -> workspace.reserve(-1));
    assertEquals("workspace of -1 bytes", negative.getMessage());
    MemorySegment block = workspace.reserve(8);
    workspace.close();
    workspace.close();
    assertThrows(IllegalStateException.class, () -> block.get(ValueLayout.JAVA_BYTE, 0));
    IllegalStateException closed =
        assertThrows(IllegalStateException.class, () -> workspace.reserve(0));
    assertEquals("the workspace is closed", closed.getMessage());
  }

  @Test
  void aBlockThatNoMachineHasLeavesTheOldOne() {
    try (Workspace workspace = new Workspace()) {
      MemorySegment block = workspace.reserve(8);
      assertThrows(OutOfMemoryError.class, () -> workspace.reserve(1L << 60));
      assertSame(block, workspace.reserve(8));
      block.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
    }
  }
}
