package io.nepenthe.nn;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/** What this process holds of the C library's heap, from {@code mallinfo2} of glibc 2.33. */
final class NativeHeap {
  private static final int NUMBERS = 10;

  /** Bytes in mappings of their own, and bytes in blocks, all arenas together. */
  private static final int MAPPED = 4;

  private static final int IN_BLOCKS = 7;

  private final MethodHandle mallinfo;

  private NativeHeap(MethodHandle mallinfo) {
    this.mallinfo = mallinfo;
  }

  /** Empty where the C library cannot tell. */
  @SuppressWarnings("restricted")
  static Optional<NativeHeap> find() {
    Linker linker = Linker.nativeLinker();
    FunctionDescriptor descriptor =
        FunctionDescriptor.of(
            MemoryLayout.structLayout(MemoryLayout.sequenceLayout(NUMBERS, ValueLayout.JAVA_LONG)));
    return linker
        .defaultLookup()
        .find("mallinfo2")
        .map(address -> new NativeHeap(linker.downcallHandle(address, descriptor)));
  }

  /** Bytes that were allocated and not freed. */
  long inUse() throws Throwable {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = (MemorySegment) mallinfo.invokeExact((SegmentAllocator) arena);
      return info.getAtIndex(ValueLayout.JAVA_LONG, MAPPED)
          + info.getAtIndex(ValueLayout.JAVA_LONG, IN_BLOCKS);
    }
  }
}
