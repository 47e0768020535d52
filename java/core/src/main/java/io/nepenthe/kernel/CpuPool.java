package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Bindings of native/src/kernels/pool.cpp. */
final class CpuPool {
  private static final MethodHandle MAX =
      NativeLibrary.action("nep_max_pool", POINTER, POINTER, POINTER, INT);
  private static final MethodHandle MAX_GRADIENT =
      NativeLibrary.action(
          "nep_max_pool_gradient", POINTER, POINTER, POINTER, POINTER, POINTER, INT);
  private static final MethodHandle AVERAGE =
      NativeLibrary.action("nep_average_pool", POINTER, POINTER, POINTER, INT, INT);
  private static final MethodHandle AVERAGE_GRADIENT =
      NativeLibrary.action("nep_average_pool_gradient", POINTER, POINTER, POINTER, INT, INT);

  private static final int GEOMETRY = 14;

  private final Workspace workspace;
  private final int threads;

  CpuPool(Workspace workspace, int threads) {
    this.workspace = workspace;
    this.threads = threads;
  }

  void max(Tensor x, Tensor y, Window window) {
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, x.shape(), y.shape(), window);
      Checks.disjoint("y", y, "x", x);
      MAX.invokeExact(x.segment(), y.segment(), geometry, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void maxGradient(Tensor x, Tensor y, Tensor dy, Tensor dx, Window window) {
    DenseChecks.maxPoolGradient(x, y, dy, dx, window);
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, x.shape(), y.shape(), window);
      MAX_GRADIENT.invokeExact(
          x.segment(), y.segment(), dy.segment(), dx.segment(), geometry, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void average(Tensor x, Tensor y, Window window, boolean paddingCounts) {
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, x.shape(), y.shape(), window);
      Checks.disjoint("y", y, "x", x);
      AVERAGE.invokeExact(x.segment(), y.segment(), geometry, paddingCounts ? 1 : 0, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  void averageGradient(Tensor dy, Tensor dx, Window window, boolean paddingCounts) {
    try (Workspace.Turn turn = workspace.begin()) {
      MemorySegment geometry = geometry(turn, dx.shape(), dy.shape(), window);
      Checks.disjoint("dx", dx, "dy", dy);
      AVERAGE_GRADIENT.invokeExact(
          dy.segment(), dx.segment(), geometry, paddingCounts ? 1 : 0, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** Checks the two shapes against the window and writes the kernel's argument. */
  private static MemorySegment geometry(Workspace.Turn turn, Shape x, Shape y, Window w) {
    DenseChecks.pooling(x, y, w);
    MemorySegment at = turn.reserve(GEOMETRY * Long.BYTES);
    for (int i = 0; i < 4; i++) {
      put(at, i, x.size(i));
    }
    put(at, 4, w.kernelHeight());
    put(at, 5, w.kernelWidth());
    put(at, 6, w.strideHeight());
    put(at, 7, w.strideWidth());
    put(at, 8, w.dilationHeight());
    put(at, 9, w.dilationWidth());
    put(at, 10, w.top());
    put(at, 11, w.left());
    put(at, 12, w.bottom());
    put(at, 13, w.right());
    return at;
  }

  private static void put(MemorySegment at, int index, long value) {
    at.setAtIndex(ValueLayout.JAVA_LONG, index, value);
  }
}
