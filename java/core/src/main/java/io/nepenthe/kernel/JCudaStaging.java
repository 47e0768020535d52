package io.nepenthe.kernel;

import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuEventSynchronize;
import static jcuda.driver.JCudaDriver.cuMemAllocHost;
import static jcuda.driver.JCudaDriver.cuMemFreeHost;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;

import java.lang.foreign.MemorySegment;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;

/**
 * Pinned memory that copies between host and device go through, so that the device fetches and
 * brings them itself. It is in pieces: what a copy to the device has put into one is fetched when
 * the device comes to it, and meanwhile the host goes on, as far as there are pieces that the
 * device has no more use for.
 */
final class JCudaStaging implements AutoCloseable {
  private static final long BYTES = 4L << 20;
  private static final int PIECES = 8;

  private final JCudaDriver.HostPointer[] pieces = new JCudaDriver.HostPointer[PIECES];
  private final MemorySegment[] memory = new MemorySegment[PIECES];

  /** Passed when the device has fetched what a piece holds. */
  private final CUevent[] fetched = new CUevent[PIECES];

  private final CUstream stream;
  private final Calls calls;
  private int next;

  /** What sees to a call's status. */
  interface Calls {
    void ended(String what, int status);
  }

  JCudaStaging(CUstream stream, Calls calls) {
    this.stream = stream;
    this.calls = calls;
    for (int i = 0; i < PIECES; i++) {
      pieces[i] = new JCudaDriver.HostPointer();
      fetched[i] = new CUevent();
      calls.ended("cuMemAllocHost", cuMemAllocHost(pieces[i], BYTES));
      calls.ended(
          "cuEventCreate", cuEventCreate(fetched[i], CUevent_flags.CU_EVENT_DISABLE_TIMING));
      memory[i] = CudaLibrary.host(pieces[i].address(), BYTES);
    }
  }

  void upload(long to, MemorySegment from) {
    long part;
    for (long at = 0; at < from.byteSize(); at += part) {
      part = Math.min(BYTES, from.byteSize() - at);
      int piece = take();
      MemorySegment.copy(from, at, memory[piece], 0, part);
      calls.ended(
          "cuMemcpyHtoD of " + part + " bytes",
          cuMemcpyHtoDAsync(new JCudaDriver.DevicePointer(to + at), pieces[piece], part, stream));
      calls.ended("cuEventRecord", cuEventRecord(fetched[piece], stream));
    }
  }

  /** As many pieces as there are at once, then what came is copied on. */
  void download(MemorySegment to, long from) {
    long copied = 0;
    for (long at = 0; at < to.byteSize(); at += BYTES) {
      fetch(piece(at), from + at, Math.min(BYTES, to.byteSize() - at));
      if (piece(at) == PIECES - 1 || at + BYTES >= to.byteSize()) {
        calls.ended("cuStreamSynchronize", cuStreamSynchronize(stream));
        for (; copied < Math.min(at + BYTES, to.byteSize()); copied += BYTES) {
          long part = Math.min(BYTES, to.byteSize() - copied);
          MemorySegment.copy(memory[piece(copied)], 0, to, copied, part);
        }
      }
    }
  }

  private static int piece(long at) {
    return (int) (at / BYTES % PIECES);
  }

  private void fetch(int piece, long from, long bytes) {
    calls.ended(
        "cuMemcpyDtoH of " + bytes + " bytes",
        cuMemcpyDtoHAsync(pieces[piece], new JCudaDriver.DevicePointer(from), bytes, stream));
  }

  /** The piece that was used longest ago, when the device needs it no more. */
  private int take() {
    int piece = next;
    next = (next + 1) % PIECES;
    calls.ended("cuEventSynchronize", cuEventSynchronize(fetched[piece]));
    return piece;
  }

  @Override
  public void close() {
    for (int i = 0; i < PIECES; i++) {
      cuEventDestroy(fetched[i]);
      cuMemFreeHost(pieces[i]);
    }
  }
}
