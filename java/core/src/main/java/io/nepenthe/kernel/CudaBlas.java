package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Optional;

/**
 * cuBLAS 12 or 13, by its C interface, which is the same in both: one binding, and no jar of a
 * binding's own natives. Products run on the driver's stream with a workspace of our own, so that
 * the same call leaves the same bits. The precision is explicit: factors stay float32 in memory,
 * and cuBLAS rounds them for TF32 and BF16.
 */
final class CudaBlas implements CudaGemm {
  private static final List<String> NAMES = List.of("libcublas.so.13", "libcublas.so.12");
  private static final long WORKSPACE = 32L << 20;
  private static final int SUCCESS = 0;
  private static final int FLOAT = 0; // CUDA_R_32F
  private static final int BEST = -1; // CUBLAS_GEMM_DEFAULT
  private static final int PLAIN = 0; // CUBLAS_OP_N
  private static final int TRANSPOSED = 1; // CUBLAS_OP_T
  private static final int VERSION_PARTS = 3;

  private final String name;
  private final MethodHandle multiply;
  private final MethodHandle destroy;
  private final MethodHandle words;
  private final CudaContext context;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment handle;
  private final MemorySegment one;
  private final MemorySegment beta;
  private final int compute;
  private final long workspace;
  private boolean closed;

  /**
   * @throws CudaException if cuBLAS does not start, with its reason
   */
  CudaBlas(CudaLibrary library, CudaContext context, Precision precision) {
    this.context = context;
    this.words = library.function("cublasGetStatusString", POINTER, INT);
    this.destroy = library.function("cublasDestroy_v2", INT, POINTER);
    this.multiply =
        library.function(
            "cublasGemmEx_64",
            INT,
            POINTER,
            INT,
            INT,
            LONG,
            LONG,
            LONG,
            POINTER,
            LONG,
            INT,
            LONG,
            LONG,
            INT,
            LONG,
            POINTER,
            LONG,
            INT,
            LONG,
            INT,
            INT);
    this.compute =
        switch (precision) {
          case FP32 -> 68; // CUBLAS_COMPUTE_32F
          case TF32 -> 77; // CUBLAS_COMPUTE_32F_FAST_TF32
          case BF16 -> 75; // CUBLAS_COMPUTE_32F_FAST_16BF
        };
    this.one = arena.allocate(ValueLayout.JAVA_FLOAT);
    this.beta = arena.allocate(ValueLayout.JAVA_FLOAT);
    one.set(ValueLayout.JAVA_FLOAT, 0, 1);
    long room = 0;
    try {
      this.name = "cuBLAS " + version(library) + " from " + library.path();
      MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
      MethodHandle create = library.function("cublasCreate_v2", INT, POINTER);
      check("cublasCreate", (int) create.invokeExact(out));
      this.handle = out.get(ValueLayout.ADDRESS, 0);
      MethodHandle stream = library.function("cublasSetStream_v2", INT, POINTER, LONG);
      check("cublasSetStream", (int) stream.invokeExact(handle, context.driver().stream()));
      room = context.memory().take(WORKSPACE, () -> "cuBLAS's workspace");
      MethodHandle set = library.function("cublasSetWorkspace_v2", INT, POINTER, LONG, LONG);
      check("cublasSetWorkspace", (int) set.invokeExact(handle, room, WORKSPACE));
    } catch (Throwable thrown) {
      if (room != 0) {
        context.memory().giveBack(room);
      }
      arena.close();
      throw NativeLibrary.rethrow(thrown);
    }
    this.workspace = room;
  }

  /** The library, if there is one; found as {@link CudaLibrary#find} says. */
  static Optional<CudaLibrary> find() {
    return NAMES.stream().map(CudaLibrary::find).flatMap(Optional::stream).findFirst();
  }

  /** What was looked for, for messages. */
  static String wanted() {
    return String.join(" and ", NAMES);
  }

  private String version(CudaLibrary library) throws Throwable {
    MethodHandle property = library.function("cublasGetProperty", INT, INT, POINTER);
    MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
    StringBuilder version = new StringBuilder();
    for (int part = 0; part < VERSION_PARTS; part++) {
      check("cublasGetProperty", (int) property.invokeExact(part, number));
      version.append(part == 0 ? "" : ".").append(number.get(ValueLayout.JAVA_INT, 0));
    }
    return version.toString();
  }

  private void check(String call, int status) throws Throwable {
    if (status != SUCCESS) {
      MemorySegment text = (MemorySegment) words.invokeExact(status);
      throw new CudaException(call + ": " + CudaLibrary.text(text) + " (" + status + ")");
    }
  }

  @Override
  public String name() {
    return name;
  }

  /** Row-major C = A·B is, to a library of columns, Cᵀ = Bᵀ·Aᵀ of the same memory. */
  @Override
  public void multiply(
      CudaContext.Operation op,
      Matrix a,
      boolean transposeA,
      Matrix b,
      boolean transposeB,
      Matrix c,
      long m,
      long n,
      long k,
      float betaValue) {
    if (m == 0 || n == 0) {
      return;
    }
    beta.set(ValueLayout.JAVA_FLOAT, 0, betaValue);
    try {
      int status =
          (int)
              multiply.invokeExact(
                  handle,
                  transposeB ? TRANSPOSED : PLAIN,
                  transposeA ? TRANSPOSED : PLAIN,
                  n,
                  m,
                  k,
                  one,
                  b.address(),
                  FLOAT,
                  b.pitch(),
                  a.address(),
                  FLOAT,
                  a.pitch(),
                  beta,
                  c.address(),
                  FLOAT,
                  c.pitch(),
                  compute,
                  BEST);
      if (status != SUCCESS) {
        check("cublasGemmEx %d×%d×%d".formatted(m, n, k), status);
      }
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      context.driver().enter();
      try {
        int status = (int) destroy.invokeExact(handle);
        assert status >= SUCCESS;
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
      context.memory().giveBack(workspace);
      arena.close();
    }
  }
}
