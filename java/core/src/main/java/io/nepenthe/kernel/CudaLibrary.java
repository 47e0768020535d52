package io.nepenthe.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

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

  /** What the system follows at most. */
  private static final int MOST_LINKS = 40;

  /** How the linker names what a library needs and it does not find. */
  private static final Pattern MISSING =
      Pattern.compile("(lib[^/: ]+\\.so[.0-9]*): cannot open shared object file");

  private final SymbolLookup symbols;
  private final String path;

  private CudaLibrary(SymbolLookup symbols, String path) {
    this.symbols = symbols;
    this.path = path;
  }

  /**
   * Whether a property asks for our own kernels and not for the library: {@code own}, and not
   * {@code auto}, the default.
   *
   * @throws CudaException if it has another value
   */
  static boolean own(String property) {
    String wanted = System.getProperty(property, "auto");
    if (!wanted.equals("auto") && !wanted.equals("own")) {
      throw new CudaException("-D" + property + "=" + wanted + ": expected auto or own");
    }
    return wanted.equals("own");
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
   * system's linker finds it, else from the standard folders of CUDA, else from those of Python's
   * packages, nvidia/…/lib.
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
    Optional<CudaLibrary> named = first(files, path);
    if (named.isPresent()) {
      return named;
    }
    try {
      return Optional.of(new CudaLibrary(SymbolLookup.libraryLookup(name, Arena.global()), name));
    } catch (IllegalArgumentException e) {
      List<Path> folders = new ArrayList<>(STANDARD.stream().map(Path::of).toList());
      folders.addAll(pythonFolders(System.getenv(), Path.of("/")));
      return first(folders.stream().map(folder -> folder.resolve(name)).toList(), path);
    }
  }

  /**
   * Where Python's packages of CUDA's libraries lie: of the active environment, that of the {@code
   * python3} of the path, the user, the system.
   *
   * @param root of the file system
   */
  static List<Path> pythonFolders(Map<String, String> environment, Path root) {
    List<Path> libraries = new ArrayList<>();
    for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
      Optional.ofNullable(environment.get(variable))
          .ifPresent(home -> libraries.add(Path.of(home, "lib")));
    }
    pythonHome(environment.getOrDefault("PATH", ""))
        .map(home -> home.resolve("lib"))
        .ifPresent(libraries::add);
    Optional.ofNullable(environment.get("HOME"))
        .ifPresent(home -> libraries.add(Path.of(home, ".local/lib")));
    libraries.add(root.resolve("usr/local/lib"));
    libraries.add(root.resolve("usr/lib"));
    List<Path> found = new ArrayList<>();
    for (Path library : libraries.stream().distinct().toList()) {
      for (Path python : matching(library, "python3*")) {
        for (String packages : List.of("site-packages", "dist-packages")) {
          for (Path part : matching(python.resolve(packages).resolve("nvidia"), "*")) {
            found.add(part.resolve("lib"));
          }
        }
      }
    }
    return found;
  }

  /** Of the first python3 of the path: its virtual environment, to which links may lead. */
  private static Optional<Path> pythonHome(String path) {
    Optional<Path> python =
        Stream.of(path.split(":"))
            .filter(folder -> !folder.isEmpty())
            .map(folder -> Path.of(folder, "python3"))
            .filter(Files::isExecutable)
            .findFirst();
    for (int links = 0; python.isPresent() && links < MOST_LINKS; links++) {
      Path program = python.get();
      Path home = program.resolveSibling("..").normalize();
      if (Files.exists(home.resolve("pyvenv.cfg")) || !Files.isSymbolicLink(program)) {
        return Optional.of(home);
      }
      try {
        python = Optional.of(program.resolveSibling(Files.readSymbolicLink(program)));
      } catch (IOException e) {
        return Optional.empty();
      }
    }
    return Optional.empty();
  }

  private static List<Path> matching(Path folder, String glob) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, glob)) {
      return StreamSupport.stream(entries.spliterator(), false).sorted().toList();
    } catch (IOException e) {
      return List.of(); // what cannot be read holds nothing for us
    }
  }

  /**
   * That file. Of the libraries that it needs, which Python's packages have in folders of their
   * own, those that the linker does not find are opened first: it then takes them from among the
   * loaded ones. So it does libcublasLt, which must be that of libcublas' own folder.
   */
  private static CudaLibrary openWithNeeds(Path file, String path) {
    String name = file.getFileName().toString();
    Path light = file.resolveSibling(name.replace("libcublas.", "libcublasLt."));
    if (!light.equals(file) && Files.exists(light)) {
      open(light);
    }
    Set<String> tried = new HashSet<>();
    while (true) {
      try {
        return open(file);
      } catch (CudaException e) {
        Matcher missing = MISSING.matcher(e.getMessage());
        if (!missing.find()
            || !tried.add(missing.group(1))
            || find(missing.group(1), path).isEmpty()) {
          throw e;
        }
      }
    }
  }

  private static Optional<CudaLibrary> first(List<Path> files, String path) {
    return files.stream().filter(Files::exists).findFirst().map(file -> openWithNeeds(file, path));
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

  /** The text that a library owns, up to its end. */
  @SuppressWarnings("restricted")
  static String text(MemorySegment address) {
    return address.equals(MemorySegment.NULL)
        ? "unknown"
        : address.reinterpret(Long.MAX_VALUE).getString(0);
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
