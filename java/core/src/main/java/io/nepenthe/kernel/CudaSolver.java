package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Optional;

/**
 * cuSOLVER of CUDA 12 or 13, by its C interface: the eigenproblem of a symmetric float64 matrix
 * (cusolverDnXsyevd), which gives the same bits each time.
 */
final class CudaSolver implements SymmetricEigen.Solver, AutoCloseable {
  /** {@code auto} takes cuSOLVER where it is found; {@code own} leaves it to LAPACK. */
  static final String PROPERTY = "nepenthe.cuda.solver";

  private static final List<String> NAMES = List.of("libcusolver.so.12", "libcusolver.so.11");
  private static final int SUCCESS = 0;
  private static final int DOUBLE = 1; // CUDA_R_64F
  private static final int VECTORS = 1; // CUSOLVER_EIG_MODE_VECTOR
  private static final int LOWER = 0; // CUBLAS_FILL_MODE_LOWER
  private static final int VERSION_PARTS = 3;

  private final CudaLibrary library;
  private final CudaContext context;
  private final String name;
  private final MemorySegment handle;
  private final MemorySegment parameters;

  /**
   * Whether there is one.
   *
   * @param name where eigenproblems are solved, for {@code describe}
   */
  record Choice(Optional<CudaSolver> library, String name) {}

  /**
   * @throws CudaException if it does not start, with its reason
   */
  CudaSolver(CudaLibrary library, CudaContext context) {
    this.library = library;
    this.context = context;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
      StringBuilder version = new StringBuilder();
      for (int part = 0; part < VERSION_PARTS; part++) {
        call("cusolverGetProperty", List.of(INT, POINTER), part, number);
        version.append(part == 0 ? "" : ".").append(number.get(ValueLayout.JAVA_INT, 0));
      }
      this.name = "cuSOLVER " + version + " from " + library.path();
      MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
      call("cusolverDnCreate", List.of(POINTER), out);
      this.handle = out.get(ValueLayout.ADDRESS, 0);
      call("cusolverDnSetStream", List.of(POINTER, LONG), handle, context.driver().stream());
      call("cusolverDnCreateParams", List.of(POINTER), out);
      this.parameters = out.get(ValueLayout.ADDRESS, 0);
    }
  }

  /** As {@link CudaGemm#of} chooses for products. */
  static Choice of(CudaContext context) {
    if (CudaLibrary.own(PROPERTY)) {
      return without("-D" + PROPERTY + "=own");
    }
    if (context.driver() instanceof EmulatedDriver) {
      return without("the device is emulated");
    }
    try {
      Optional<CudaLibrary> library =
          NAMES.stream().map(CudaLibrary::find).flatMap(Optional::stream).findFirst();
      if (library.isEmpty()) {
        return without(
            String.join(" and ", NAMES) + " were not found; remedy: " + CudaLibrary.PATH_VARIABLE);
      }
      CudaSolver solver = new CudaSolver(library.get(), context);
      return new Choice(Optional.of(solver), solver.name);
    } catch (CudaException e) {
      return without(e.getMessage());
    }
  }

  private static Choice without(String reason) {
    return new Choice(Optional.empty(), "LAPACK (" + reason + ")");
  }

  private void call(String function, List<MemoryLayout> types, Object... arguments) {
    MethodHandle method = library.function(function, INT, types.toArray(MemoryLayout[]::new));
    try {
      int status = (int) method.invokeWithArguments(arguments);
      if (status != SUCCESS) {
        throw new CudaException(library.path() + ": " + function + " gave status " + status);
      }
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public int solve(int n, MemorySegment matrix, MemorySegment values) {
    try (var op = context.begin("symmetricEigen", n, matrix.byteSize(), 0);
        Arena arena = Arena.ofConfined()) {
      long a = op.upload(matrix);
      long w = op.scratch(values.byteSize());
      long info = op.scratch(Integer.BYTES);
      MemorySegment sizes = arena.allocate(ValueLayout.JAVA_LONG, 2);
      call(
          "cusolverDnXsyevd_bufferSize",
          List.of(
              POINTER, POINTER, INT, INT, LONG, INT, LONG, LONG, INT, LONG, INT, POINTER, POINTER),
          handle,
          parameters,
          VECTORS,
          LOWER,
          (long) n,
          DOUBLE,
          a,
          (long) n,
          DOUBLE,
          w,
          DOUBLE,
          sizes,
          sizes.asSlice(Long.BYTES));
      long onDevice = sizes.getAtIndex(ValueLayout.JAVA_LONG, 0);
      long onHost = sizes.getAtIndex(ValueLayout.JAVA_LONG, 1);
      call(
          "cusolverDnXsyevd",
          List.of(
              POINTER, POINTER, INT, INT, LONG, INT, LONG, LONG, INT, LONG, INT, LONG, LONG,
              POINTER, LONG, LONG),
          handle,
          parameters,
          VECTORS,
          LOWER,
          (long) n,
          DOUBLE,
          a,
          (long) n,
          DOUBLE,
          w,
          DOUBLE,
          op.scratch(Math.max(1, onDevice)),
          onDevice,
          arena.allocate(Math.max(1, onHost), Long.BYTES),
          onHost,
          info);
      MemorySegment status = arena.allocate(ValueLayout.JAVA_INT);
      context.driver().download(status, info);
      context.driver().download(matrix, a);
      context.driver().download(values, w);
      op.finish();
      return status.get(ValueLayout.JAVA_INT, 0);
    }
  }

  @Override
  public void close() {
    context.driver().synchronise();
    call("cusolverDnDestroyParams", List.of(POINTER), parameters);
    call("cusolverDnDestroy", List.of(POINTER), handle);
  }
}
