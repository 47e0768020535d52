package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Named ranges on a profiler's time line (NVTX), where its library is found and {@code
 * -Dnepenthe.cuda.ranges=true}; otherwise nothing.
 */
final class CudaRanges {
  static final String PROPERTY = "nepenthe.cuda.ranges";

  private final Optional<Handles> handles;
  private final Map<String, MemorySegment> names = new HashMap<>();

  private record Handles(MethodHandle push, MethodHandle pop) {}

  private CudaRanges(Optional<Handles> handles) {
    this.handles = handles;
  }

  static CudaRanges find() {
    if (!Boolean.getBoolean(PROPERTY)) {
      return new CudaRanges(Optional.empty());
    }
    CudaLibrary library =
        CudaLibrary.find("libnvToolsExt.so.1")
            .or(() -> CudaLibrary.find("libnvtx3interop.so.1"))
            .orElseThrow(
                () ->
                    new CudaException(
                        "-D"
                            + PROPERTY
                            + "=true, but neither libnvToolsExt.so.1 nor"
                            + " libnvtx3interop.so.1 was found; remedy: "
                            + CudaLibrary.PATH_VARIABLE));
    return new CudaRanges(
        Optional.of(
            new Handles(
                library.function("nvtxRangePushA", INT, POINTER),
                library.function("nvtxRangePop", INT))));
  }

  void push(String name) {
    handles.ifPresent(
        found -> {
          try {
            int depth =
                (int)
                    found.push.invokeExact(
                        names.computeIfAbsent(name, key -> Arena.global().allocateFrom(key)));
            assert depth >= -2;
          } catch (Throwable thrown) {
            throw NativeLibrary.rethrow(thrown);
          }
        });
  }

  void pop() {
    handles.ifPresent(
        found -> {
          try {
            int depth = (int) found.pop.invokeExact();
            assert depth >= -2;
          } catch (Throwable thrown) {
            throw NativeLibrary.rethrow(thrown);
          }
        });
  }
}
