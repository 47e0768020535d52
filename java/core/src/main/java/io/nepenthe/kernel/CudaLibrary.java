package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A library of CUDA's, or the emulator, bound at run time: they may be missing, so nothing here is
 * static. Beside {@link NativeLibrary} the only place that calls restricted methods.
 */
final class CudaLibrary {
  /** A folder that is looked into before all others; a list separated by colons. */
  static final String PATH_VARIABLE = "NEPENTHE_CUDA_LIBRARY_PATH";

  private static final List<String> STANDARD =
      List.of(
          "/usr/local/cuda/lib64",
          "/usr/lib/x86_64-linux-gnu",
          "/usr/lib64",
          "/usr/lib/aarch64-linux-gnu",
          "/usr/local/nvidia/lib64",
          "/usr/lib/wsl/lib");

  private final SymbolLookup symbols;
  private final String path;

  private CudaLibrary(SymbolLookup symbols, String path) {
    this.symbols = symbols;
    this.path = path;
  }

  /** That file, which must be there. */
  @SuppressWarnings("restricted")
  static CudaLibrary open(Path file) {
    try {
      return new CudaLibrary(SymbolLookup.libraryLookup(file, Arena.global()), file.toString());
    } catch (IllegalArgumentException e) {
      throw new CudaException("cannot load " + file + ": " + NativeLibrary.reason(file), e);
    }
  }

  /**
   * The library of that name: from the folders of {@value #PATH_VARIABLE}, else from wherever the
   * system's linker finds it, else from the standard folders of CUDA.
   */
  static Optional<CudaLibrary> find(String name) {
    return find(name, System.getenv(PATH_VARIABLE));
  }

  @SuppressWarnings("restricted")
  static Optional<CudaLibrary> find(String name, String path) {
    List<Path> files = new ArrayList<>();
    for (String folder : path == null || path.isEmpty() ? new String[0] : path.split(":")) {
      files.add(Path.of(folder, name));
    }
    Optional<CudaLibrary> named = first(files);
    if (named.isPresent()) {
      return named;
    }
    try {
      return Optional.of(new CudaLibrary(SymbolLookup.libraryLookup(name, Arena.global()), name));
    } catch (IllegalArgumentException e) {
      return first(STANDARD.stream().map(folder -> Path.of(folder, name)).toList());
    }
  }

  private static Optional<CudaLibrary> first(List<Path> files) {
    return files.stream().filter(Files::exists).findFirst().map(CudaLibrary::open);
  }

  /** Where it came from. */
  String path() {
    return path;
  }

  boolean exports(String name) {
    return symbols.find(name).isPresent();
  }

  /** A function that returns a value. */
  MethodHandle function(String name, MemoryLayout result, MemoryLayout... parameters) {
    return bind(name, FunctionDescriptor.of(result, parameters));
  }

  /** A function that returns nothing. */
  MethodHandle action(String name, MemoryLayout... parameters) {
    return bind(name, FunctionDescriptor.ofVoid(parameters));
  }

  @SuppressWarnings("restricted")
  private MethodHandle bind(String name, FunctionDescriptor descriptor) {
    MemorySegment address =
        symbols.find(name).orElseThrow(() -> new CudaException(path + " exports no " + name));
    return Linker.nativeLinker().downcallHandle(address, descriptor);
  }

  /** A segment over host memory that a library owns. */
  @SuppressWarnings("restricted")
  static MemorySegment host(long address, long bytes) {
    return MemorySegment.ofAddress(address).reinterpret(bytes);
  }

  /**
   * A segment that stands for device memory and ends with the arena, which then calls {@code
   * release}. Java must never read it: {@link io.nepenthe.tensor.Tensor} sees to that.
   */
  @SuppressWarnings("restricted")
  static MemorySegment segment(long address, long bytes, Arena arena, Runnable release) {
    return MemorySegment.ofAddress(address).reinterpret(bytes, arena, _ -> release.run());
  }
}
