package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.FLOAT;
import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Bindings of native/src/kernels/pad.cpp. */
final class CpuPad {
  private static final MethodHandle PAD =
      NativeLibrary.action("nep_pad", POINTER, POINTER, POINTER, FLOAT, INT);
  private static final MethodHandle PAD_GRADIENT =
      NativeLibrary.action("nep_pad_gradient", POINTER, POINTER, POINTER, INT);

  private final Workspace workspace;
  private final int threads;

  CpuPad(Workspace workspace, int threads) {
    this.workspace = workspace;
    this.threads = threads;
  }

  void pad(Tensor x, Tensor y, Padding padding) {
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, x.shape(), y.shape(), padding);
      Checks.disjoint("y", y, "x", x);
      PAD.invokeExact(x.segment(), y.segment(), geometry, padding.value(), threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void gradient(Tensor dy, Tensor dx, Padding padding) {
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, dx.shape(), dy.shape(), padding);
      Checks.disjoint("dx", dx, "dy", dy);
      PAD_GRADIENT.invokeExact(dy.segment(), dx.segment(), geometry, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** Checks the two shapes against the padding and writes the kernel's argument. */
  private static MemorySegment geometry(Workspace.Turn turn, Shape x, Shape y, Padding p) {
    DenseChecks.padding(x, y, p);
    MemorySegment at = turn.reserve(9L * Long.BYTES);
    for (int i = 0; i < 4; i++) {
      put(at, i, x.size(i));
    }
    put(at, 4, p.top());
    put(at, 5, p.left());
    put(at, 6, p.bottom());
    put(at, 7, p.right());
    put(at, 8, p.mode().ordinal());
    return at;
  }

  private static void put(MemorySegment at, int index, long value) {
    at.setAtIndex(ValueLayout.JAVA_LONG, index, value);
  }
}
