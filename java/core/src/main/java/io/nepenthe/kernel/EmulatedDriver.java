package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The CUDA kernels on the processor (cuda/emulator): slow, and strict. It finds accesses out of
 * bounds, reads of values that nothing wrote, races and divergent barriers, whatever the schedule;
 * the seed chooses the schedule.
 *
 * <p>The library keeps its state in one place: one driver at a time. Tests extend it to let calls
 * fail.
 */
non-sealed class EmulatedDriver implements CudaDriver {
  /** Its memory; the property {@value} sets another. */
  static final String MEMORY_PROPERTY = "nepenthe.cuda.emulated.memory";

  /**
   * {@code true} (the default) judges every access under a drawn schedule; {@code false} does
   * neither, and is many times faster.
   */
  static final String CHECKS_PROPERTY = "nepenthe.cuda.emulated.checks";

  private static final long DEFAULT_MEMORY = 1L << 30;
  private static final int TEXT = 2048;

  private final CudaLibrary library;
  private final MethodHandle allocate;
  private final MethodHandle free;
  private final MethodHandle live;
  private final MethodHandle renew;
  private final MethodHandle upload;
  private final MethodHandle download;
  private final MethodHandle copy;
  private final MethodHandle clear;
  private final MethodHandle threads;
  private final MethodHandle signature;
  private final MethodHandle launch;
  private final MethodHandle error;
  private final long total;
  private final long liveBefore;
  private final Map<String, Kernel> kernels = new HashMap<>();

  private record Kernel(MemorySegment name, int threads, String signature) {}

  EmulatedDriver(Path file, long seed) {
    library = CudaLibrary.open(file);
    allocate = library.function("nep_emulator_allocate", LONG, LONG);
    free = library.function("nep_emulator_free", INT, LONG);
    live = library.function("nep_emulator_live_bytes", LONG);
    renew = library.action("nep_emulator_renew", LONG, LONG);
    upload = library.function("nep_emulator_upload", INT, LONG, POINTER, LONG);
    download = library.function("nep_emulator_download", INT, POINTER, LONG, LONG);
    copy = library.function("nep_emulator_copy", INT, LONG, LONG, LONG);
    clear = library.function("nep_emulator_clear", INT, LONG, LONG);
    threads = library.function("nep_emulator_threads", INT, POINTER);
    signature = library.function("nep_emulator_signature", LONG, POINTER, POINTER, LONG);
    launch = library.function("nep_emulator_launch", INT, POINTER, LONG, LONG, LONG, LONG, POINTER);
    error = library.function("nep_emulator_error", LONG, POINTER, LONG);
    total = Long.getLong(MEMORY_PROPERTY, DEFAULT_MEMORY);
    try {
      library.action("nep_emulator_seed", LONG).invokeExact(seed);
      liveBefore = (long) live.invokeExact();
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  /** The library of the jar that {@value #CHECKS_PROPERTY} asks for. */
  static Path packaged() {
    String name = "libnepenthe-emulator" + (checks() ? "" : "-unchecked") + ".so";
    return PackagedLibrary.extractEmulator(PackagedLibrary.cacheDirectory(), name);
  }

  private static boolean checks() {
    String value = System.getProperty(CHECKS_PROPERTY, "true");
    if (!value.equals("true") && !value.equals("false")) {
      throw new CudaException("-D" + CHECKS_PROPERTY + "=" + value + ": expected true or false");
    }
    return value.equals("true");
  }

  @Override
  public String name() {
    return "emulated CUDA device";
  }

  @Override
  public String describe() {
    return "device=" + name() + "\nlibrary=" + library.path();
  }

  @Override
  public long stream() {
    return 0;
  }

  /** It has the instructions of one Hopper device. */
  @Override
  public int capability() {
    return CudaHopperSquares.CAPABILITY;
  }

  @Override
  public int multiprocessors() {
    return 2;
  }

  @Override
  public Memory memory() {
    return new Memory(total, total - liveBytes());
  }

  @Override
  public long allocate(long bytes) {
    if (bytes > memory().free()) {
      return 0;
    }
    try {
      return (long) allocate.invokeExact(bytes);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void free(long address) {
    try {
      check((int) free.invokeExact(address), "free of what was not allocated");
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void renew(long address, long bytes) {
    try {
      renew.invokeExact(address, bytes);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public long liveBytes() {
    try {
      return (long) live.invokeExact() - liveBefore;
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void upload(long to, MemorySegment from) {
    CudaTransferEvent event = CudaTransferEvent.begun();
    try {
      check((int) upload.invokeExact(to, from, from.byteSize()), "upload out of bounds");
      event.ended(true, from.byteSize());
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void download(MemorySegment to, long from) {
    CudaTransferEvent event = CudaTransferEvent.begun();
    try {
      check((int) download.invokeExact(to, from, to.byteSize()), "download out of bounds");
      event.ended(false, to.byteSize());
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void copy(long to, long from, long bytes) {
    try {
      check((int) copy.invokeExact(to, from, bytes), "copy out of bounds");
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void clear(long to, long bytes) {
    try {
      check((int) clear.invokeExact(to, bytes), "clearing out of bounds");
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public int threads(String kernel) {
    return kernel(kernel).threads;
  }

  private Kernel kernel(String name) {
    return kernels.computeIfAbsent(
        name,
        key -> {
          MemorySegment text = Arena.global().allocateFrom(key);
          try {
            int count = (int) threads.invokeExact(text);
            check(count == 0 ? 1 : 0, "no kernel is named " + key);
            return new Kernel(text, count, letters(text));
          } catch (Throwable thrown) {
            throw NativeLibrary.rethrow(thrown);
          }
        });
  }

  private String letters(MemorySegment name) throws Throwable {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(TEXT);
      long length = (long) signature.invokeExact(name, text, (long) TEXT);
      return string(text, length);
    }
  }

  @Override
  public void launch(String kernel, Grid grid, int sharedBytes, CudaArguments arguments) {
    Kernel found = kernel(kernel);
    if (!found.signature.equals(arguments.signature())) {
      throw new CudaException(
          kernel + " takes " + found.signature + ", was given " + arguments.signature());
    }
    try (Arena arena = Arena.ofConfined()) {
      int status =
          (int)
              launch.invokeExact(
                  found.name,
                  grid.x(),
                  grid.y(),
                  grid.z(),
                  (long) sharedBytes,
                  arguments.pointers());
      if (status != 0) {
        MemorySegment text = arena.allocate(TEXT);
        long length = (long) error.invokeExact(text, (long) TEXT);
        throw new CudaException("emulator: " + string(text, length));
      }
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  private static String string(MemorySegment text, long length) {
    return new String(
        text.asSlice(0, Math.min(length, TEXT)).toArray(ValueLayout.JAVA_BYTE),
        StandardCharsets.UTF_8);
  }

  private static void check(int status, String what) {
    if (status != 0) {
      throw new CudaException("emulator: " + what);
    }
  }

  @Override
  public void synchronise() {}

  @Override
  public double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) * 1e-9;
  }

  @Override
  public void close() {}
}
