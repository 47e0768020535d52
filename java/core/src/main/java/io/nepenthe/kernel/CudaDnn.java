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
 * cuDNN 9, by its C interface: a convolution's forward pass and its input's gradient, channels
 * last, with no unfolded input in memory. Its older functions are bound, which version 9 still has:
 * they take descriptors of sizes, not graphs, and say of every algorithm whether it leaves the same
 * bits each time. Only such are taken. Factors stay float32 in memory, and it has no convolution
 * that rounds such to BF16: for BF16, too, it rounds them to TF32, three bits less coarsely. At
 * half the matrix rate that costs less time than unfolding or copies in BF16 would (docs/gpu.md has
 * the figures).
 */
final class CudaDnn implements AutoCloseable {
  /** {@code auto} takes cuDNN where it is found; {@code own} never. */
  static final String PROPERTY = "nepenthe.cuda.dnn";

  private static final String NAME = "libcudnn.so.9";

  /** What it compiles some kernels with: it asks the linker for it, or takes one that is loaded. */
  private static final List<String> COMPILERS = List.of("libnvrtc.so.13", "libnvrtc.so.12");

  private static final int SUCCESS = 0;
  private static final int VERSION_PARTS = 3;

  private final CudaLibrary library;
  private final CudaContext context;
  private final String name;
  private final int math;
  private final MethodHandle words;
  private final MemorySegment handle;

  /**
   * Whether there is one.
   *
   * @param name where convolutions are made, for {@code describe}
   */
  record Choice(Optional<CudaDnn> library, String name) {}

  /**
   * @throws CudaException if it does not start, with its reason
   */
  CudaDnn(CudaLibrary library, CudaContext context, Precision precision) {
    this.library = library;
    this.context = context;
    this.words = library.function("cudnnGetErrorString", POINTER, INT);
    this.math =
        switch (precision) {
          case FP32 -> 3; // CUDNN_FMA_MATH
          case TF32, BF16 -> 0; // CUDNN_DEFAULT_MATH: TF32 is permitted
        };
    try (Arena arena = Arena.ofConfined()) {
      String coarse = precision == Precision.BF16 ? ", in TF32" : "";
      this.name = "cuDNN " + version(arena) + " from " + library.path() + coarse;
      MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
      call("cudnnCreate", POINTER).invoke(out);
      this.handle = out.get(ValueLayout.ADDRESS, 0);
      call("cudnnSetStream", POINTER, LONG).invoke(handle, context.driver().stream());
    }
  }

  /** As {@link CudaGemm#of} chooses for products. */
  static Choice of(CudaContext context, Precision precision) {
    if (CudaLibrary.own(PROPERTY)) {
      return without("-D" + PROPERTY + "=own");
    }
    if (context.driver() instanceof EmulatedDriver) {
      return without("the device is emulated");
    }
    try {
      Optional<CudaLibrary> library = CudaLibrary.find(NAME);
      if (library.isEmpty()) {
        return without(NAME + " was not found; remedy: " + CudaLibrary.PATH_VARIABLE);
      }
      COMPILERS.forEach(CudaDnn::offer);
      CudaDnn dnn = new CudaDnn(library.get(), context, precision);
      return new Choice(Optional.of(dnn), dnn.name);
    } catch (CudaException e) {
      return without(e.getMessage());
    }
  }

  private static void offer(String library) {
    try {
      CudaLibrary.find(library);
    } catch (CudaException e) {
      // It has other kernels.
    }
  }

  private static Choice without(String reason) {
    return new Choice(Optional.empty(), "unfolded products (" + reason + ")");
  }

  /** A function that gives a status. */
  record Call(CudaDnn dnn, String function, MethodHandle method) {
    /**
     * @throws CudaException if the status is no success, with cuDNN's words
     */
    void invoke(Object... arguments) {
      try {
        check(status(arguments));
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }

    /** Whether it can do so. */
    boolean succeeds(Object... arguments) {
      try {
        return status(arguments) == SUCCESS;
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
    }

    private int status(Object... arguments) throws Throwable {
      return (int) method.invokeWithArguments(arguments);
    }

    /** The same of a status that a call gave. */
    void check(int status) throws Throwable {
      if (status != SUCCESS) {
        MemorySegment text = (MemorySegment) dnn.words.invokeExact(status);
        throw new CudaException(
            "%s: %s: %s (%d)"
                .formatted(dnn.library.path(), function, CudaLibrary.text(text), status));
      }
    }
  }

  Call call(String function, MemoryLayout... parameters) {
    return new Call(this, function, library.function(function, INT, parameters));
  }

  private String version(Arena arena) {
    Call property = call("cudnnGetProperty", INT, POINTER);
    MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
    StringBuilder version = new StringBuilder();
    for (int part = 0; part < VERSION_PARTS; part++) {
      property.invoke(part, number);
      version.append(part == 0 ? "" : ".").append(number.get(ValueLayout.JAVA_INT, 0));
    }
    return version.toString();
  }

  MemorySegment handle() {
    return handle;
  }

  /** The arithmetic that the precision allows, as cuDNN has it. */
  int math() {
    return math;
  }

  String name() {
    return name;
  }

  /**
   * A layer's passes by cuDNN.
   *
   * @param convolution empty where it has none
   * @param reason why it has none of a convolution
   */
  record Planned(Optional<CudaConvolution> convolution, String reason) {
    /** Of what cuDNN was not asked for. */
    static final Planned NONE = new Planned(Optional.empty(), "");
  }

  /** The passes of that layer. */
  Planned plan(Affine sizes) {
    if (!(sizes instanceof Affine.Convolution c)) {
      return Planned.NONE;
    }
    if (!CudaConvolution.fits(c)) {
      return new Planned(Optional.empty(), "cuDNN has no groups and no uneven padding");
    }
    context.driver().enter();
    try {
      return new Planned(Optional.of(new CudaConvolution(this, c)), "");
    } catch (CudaException e) {
      return new Planned(Optional.empty(), e.getMessage());
    }
  }

  @Override
  public void close() {
    context.driver().synchronise();
    call("cudnnDestroy", POINTER).invoke(handle);
  }
}
