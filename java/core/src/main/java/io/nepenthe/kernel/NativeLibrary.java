package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The one place where native code is loaded and bound. Loading happens once, on first use; a
 * failure is kept and thrown again, whole, at every later use.
 */
final class NativeLibrary {
  /** Names a library file to load instead of the jar's; a failure to load it is fatal. */
  static final String LIBRARY_PROPERTY = "nepenthe.library";

  static final MemoryLayout POINTER = ValueLayout.ADDRESS;
  static final MemoryLayout LONG = ValueLayout.JAVA_LONG;
  static final MemoryLayout INT = ValueLayout.JAVA_INT;
  static final MemoryLayout FLOAT = ValueLayout.JAVA_FLOAT;

  private static final int TEXT_CAPACITY = 4096;
  private static final Map<String, FunctionDescriptor> BOUND = new ConcurrentHashMap<>();

  private final SymbolLookup symbols;
  private final Path path;
  private final String origin;

  private NativeLibrary(SymbolLookup symbols, Path path, String origin) {
    this.symbols = symbols;
    this.path = path;
    this.origin = origin;
  }

  /** The outcome of the one attempt to load. */
  private static final class Loaded {
    static final NativeLibrary LIBRARY;
    static final NativeException FAILURE;

    static {
      NativeLibrary library = null;
      NativeException failure = null;
      try {
        library = load();
      } catch (NativeException e) {
        failure = e;
      }
      LIBRARY = library;
      FAILURE = failure;
    }
  }

  /**
   * Loads the library, or does nothing if that was done.
   *
   * @throws NativeException with what was wanted, each path tried, the system's reasons, the likely
   *     cause and the remedy
   */
  static NativeLibrary require() {
    if (Loaded.FAILURE != null) {
      throw Loaded.FAILURE;
    }
    return Loaded.LIBRARY;
  }

  /** A function that returns nothing. */
  static MethodHandle action(String name, MemoryLayout... parameters) {
    return bind(name, FunctionDescriptor.ofVoid(parameters));
  }

  /** A function that returns a value. */
  static MethodHandle function(String name, MemoryLayout result, MemoryLayout... parameters) {
    return bind(name, FunctionDescriptor.of(result, parameters));
  }

  /**
   * A function of LAPACK's library, which is not part of this one: extracted and opened at the
   * first use. It keeps to the thread that calls: OpenBLAS shares out sums by its number of
   * threads, one a core unless told, so that a machine with other cores found other bits; and its
   * threads spin, which busy cores make far slower.
   */
  static MethodHandle lapack(String name, FunctionDescriptor descriptor) {
    Path file = PackagedLibrary.ofThisPlatform().extractLapack(PackagedLibrary.cacheDirectory());
    try {
      lapack(file, "openblas_set_num_threads", FunctionDescriptor.ofVoid(INT)).invokeExact(1);
      return lapack(file, name, descriptor);
    } catch (IllegalArgumentException e) {
      throw LoadFailure.of(file, "jar", reason(file));
    } catch (Throwable thrown) {
      throw rethrow(thrown);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle lapack(Path file, String name, FunctionDescriptor descriptor) {
    MemorySegment address =
        SymbolLookup.libraryLookup(file, Arena.global())
            .find(name)
            .orElseThrow(() -> new NativeException(file + " exports no " + name));
    return Linker.nativeLinker().downcallHandle(address, descriptor);
  }

  /** Every function bound so far, by name: for the test that compares them with the header. */
  static Map<String, FunctionDescriptor> bound() {
    return new TreeMap<>(BOUND);
  }

  /** What a native call threw: only bugs and closed arenas do. */
  static RuntimeException rethrow(Throwable thrown) {
    if (thrown instanceof RuntimeException exception) {
      return exception;
    }
    if (thrown instanceof Error error) {
      throw error;
    }
    return new IllegalStateException(thrown);
  }

  /** What was loaded and chosen, one {@code key=value} a line. */
  String describe() {
    return "library=" + path + "\norigin=" + origin + "\n" + text(this, "nep_describe");
  }

  @SuppressWarnings("restricted")
  private static MethodHandle bind(String name, FunctionDescriptor descriptor) {
    MemorySegment address =
        require()
            .symbols
            .find(name)
            .orElseThrow(() -> new NativeException("the native library exports no " + name));
    BOUND.put(name, descriptor);
    return Linker.nativeLinker().downcallHandle(address, descriptor);
  }

  @SuppressWarnings("restricted")
  private static String text(NativeLibrary library, String name) {
    FunctionDescriptor descriptor = FunctionDescriptor.of(LONG, POINTER, LONG);
    BOUND.put(name, descriptor);
    MemorySegment address =
        library
            .symbols
            .find(name)
            .orElseThrow(() -> new NativeException(library.path + " exports no " + name));
    MethodHandle handle = Linker.nativeLinker().downcallHandle(address, descriptor);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(TEXT_CAPACITY);
      long length = (long) handle.invokeExact(buffer, (long) TEXT_CAPACITY);
      byte[] bytes =
          buffer.asSlice(0, Math.min(length, TEXT_CAPACITY)).toArray(ValueLayout.JAVA_BYTE);
      return new String(bytes, StandardCharsets.UTF_8);
    } catch (Throwable thrown) {
      throw rethrow(thrown);
    }
  }

  private static NativeLibrary load() {
    String cap = System.getenv(InstructionSet.CAP_VARIABLE);
    if (cap != null) {
      InstructionSet.parse(cap, InstructionSet.CAP_VARIABLE);
    }
    String override = System.getProperty(LIBRARY_PROPERTY);
    PackagedLibrary packaged = PackagedLibrary.ofThisPlatform();
    Path file =
        override != null
            ? Path.of(override).toAbsolutePath()
            : packaged.extract(PackagedLibrary.cacheDirectory());
    String origin = override != null ? "-D" + LIBRARY_PROPERTY : "jar";
    try {
      spinBriefly();
      return open(file, origin, packaged.headerHash());
    } catch (IllegalCallerException e) {
      throw LoadFailure.forbidden(file, origin, e);
    }
  }

  /**
   * Lets a thread that waits for its team spin for a few microseconds, then sleep, unless the
   * environment says otherwise. By default OpenMP's threads spin for milliseconds, which on a
   * machine with other work keeps the very thread that they wait for from running: training a LeNet
   * on two busy cores took five times as long.
   */
  @SuppressWarnings("restricted")
  private static void spinBriefly() {
    if (System.getenv("OMP_WAIT_POLICY") != null || System.getenv("GOMP_SPINCOUNT") != null) {
      return;
    }
    Linker linker = Linker.nativeLinker();
    MemorySegment setenv = linker.defaultLookup().find("setenv").orElse(MemorySegment.NULL);
    if (setenv.equals(MemorySegment.NULL)) {
      return;
    }
    // libgomp reads the variable when it is loaded, with the library.
    MethodHandle handle =
        linker.downcallHandle(setenv, FunctionDescriptor.of(INT, POINTER, POINTER, INT));
    try (Arena arena = Arena.ofConfined()) {
      int status =
          (int)
              handle.invokeExact(
                  arena.allocateFrom("GOMP_SPINCOUNT"), arena.allocateFrom("1000"), 0);
      if (status != 0) {
        throw new NativeException("setenv failed: no memory");
      }
    } catch (Throwable thrown) {
      throw rethrow(thrown);
    }
  }

  /**
   * Opens the file and checks that it was built from the header that these bindings were written
   * for.
   */
  @SuppressWarnings("restricted")
  static NativeLibrary open(Path file, String origin, String expectedHeaderHash) {
    SymbolLookup symbols;
    try {
      symbols = SymbolLookup.libraryLookup(file, Arena.global());
    } catch (IllegalArgumentException e) {
      throw LoadFailure.of(file, origin, reason(file));
    }
    NativeLibrary library = new NativeLibrary(symbols, file, origin);
    if (symbols.find("nep_header_hash").isEmpty()) {
      throw LoadFailure.of(file, origin, "it exports no nep_header_hash: not Nepenthe's library");
    }
    String found = text(library, "nep_header_hash");
    if (!found.equals(expectedHeaderHash)) {
      throw LoadFailure.mismatch(file, origin, expectedHeaderHash, found);
    }
    return library;
  }

  /** The dynamic linker's reason, which libraryLookup hides and System.load tells. */
  @SuppressWarnings("restricted")
  static String reason(Path file) {
    try {
      System.load(file.toString());
      return "the system linker loaded it at the second attempt";
    } catch (UnsatisfiedLinkError e) {
      return e.getMessage();
    }
  }
}
