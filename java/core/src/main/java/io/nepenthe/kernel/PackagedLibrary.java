package io.nepenthe.kernel;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.UUID;

/**
 * The library that the jar carries, the files of oneDNN that it needs, and LAPACK: extracted once
 * to private folders named by their hashes, each hash-checked and moved into place, so that a
 * killed start leaves no half file.
 */
final class PackagedLibrary {
  private static final String LIBRARY = "libnepenthe.so";
  private static final List<String> FILES = List.of("libgomp.so.1", "libdnnl.so.3", LIBRARY);
  private static final String LAPACK = "libopenblas.so.0";
  private static final List<String> LAPACK_FILES =
      List.of("libquadmath.so.0", "libgfortran.so.5", LAPACK);

  /** How the name of a file ends that is not whole yet. */
  private static final String PART = ".part";

  private final String platform;
  private final Properties manifest;

  private PackagedLibrary(String platform, Properties manifest) {
    this.platform = platform;
    this.manifest = manifest;
  }

  /**
   * The library for the running system.
   *
   * @throws NativeException if the jar holds none
   */
  static PackagedLibrary ofThisPlatform() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String processor = System.getProperty("os.arch");
    return of(system + "-" + (processor.equals("amd64") ? "x86_64" : processor));
  }

  static PackagedLibrary of(String platform) {
    String resource = "/io/nepenthe/native/" + platform + "/native.properties";
    Properties manifest = new Properties();
    try (InputStream in = resource(resource)) {
      if (in == null) {
        throw LoadFailure.message(
            Path.of(resource),
            "jar",
            "no such entry",
            "the jar was built without a native library for " + platform,
            "build Nepenthe on this system: mvn verify; supported are Linux on x86-64 and aarch64");
      }
      manifest.load(in);
    } catch (IOException e) {
      throw new NativeException("cannot read " + resource + " from the jar: " + e.getMessage());
    }
    return new PackagedLibrary(platform, manifest);
  }

  /** The SHA-256 of the nepenthe.h that the library was built from. */
  String headerHash() {
    return manifest.getProperty("header.sha256");
  }

  /**
   * {@code $XDG_CACHE_HOME/nepenthe}, or {@code ~/.cache/nepenthe}.
   *
   * @throws NativeException if there is no home: Java calls that of a user whom the system does not
   *     know "?"
   */
  static Path cacheDirectory() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base =
        xdg != null && Path.of(xdg).isAbsolute()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".cache");
    Path cache = base.resolve("nepenthe");
    if (!base.isAbsolute()) {
      throw LoadFailure.message(
          cache,
          "jar",
          "no absolute path",
          "this user has no home folder",
          "set HOME, or XDG_CACHE_HOME, to a folder that can be written");
    }
    return cache;
  }

  /** Puts the files under {@code cache} if they are not there, and returns the library's path. */
  Path extract(Path cache) {
    return extract(cache, FILES).resolve(LIBRARY);
  }

  /** The same for LAPACK, whose 40 MB only those take that decompose a matrix. */
  Path extractLapack(Path cache) {
    return extract(cache, LAPACK_FILES).resolve(LAPACK);
  }

  private Path extract(Path cache, List<String> files) {
    String key = key(files);
    try {
      Path directory = new LibraryCache(cache).folder(key);
      for (String file : files) {
        Path target = directory.resolve(file);
        // oneDNN's 90 MB are hashed when they are written; the library itself at every start.
        boolean intact =
            Files.exists(target) && (!file.equals(LIBRARY) || hash(target).equals(expected(file)));
        if (!intact) {
          extract(file, target);
        }
      }
      return directory;
    } catch (IOException e) {
      throw LoadFailure.message(
          cache.resolve(key),
          "jar",
          e.toString(),
          "the cache folder cannot be written, or the disk is full",
          "make it writable, free some space, or set XDG_CACHE_HOME to another folder");
    }
  }

  private void extract(String file, Path target) throws IOException {
    String source = LAPACK_FILES.contains(file) ? "openblas" : "dnnl";
    String resource =
        file.equals(LIBRARY)
            ? "/io/nepenthe/native/" + platform + "/" + file
            : "/org/bytedeco/" + source + "/" + platform + "/" + file;
    deleteAbandoned(target.getParent());
    Path part = target.resolveSibling(file + UUID.randomUUID() + PART);
    try (InputStream in = resource(resource)) {
      if (in == null) {
        throw LoadFailure.message(
            Path.of(resource),
            "jar",
            "no such entry on the class path",
            "the dependency org.bytedeco:" + source + " for " + platform + " is missing",
            "add it, with its classifier " + platform + ", to the class path");
      }
      // A process that is asked to end runs no finally, and goes on meanwhile: it must neither make
      // the file before its deletion is ordered nor make it again after.
      part.toFile().deleteOnExit();
      try (OutputStream out = Files.newOutputStream(part, StandardOpenOption.CREATE_NEW)) {
        in.transferTo(out);
      }
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
      String found = hash(part);
      if (!found.equals(expected(file))) {
        throw new IOException(
            resource + " has SHA-256 " + found + ", the build recorded " + expected(file));
      }
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** Deletes what a killed process left: no file takes anywhere near so long to write. */
  private static void deleteAbandoned(Path directory) throws IOException {
    Instant recent = Instant.now().minus(Duration.ofHours(1));
    try (DirectoryStream<Path> parts = Files.newDirectoryStream(directory, "*" + PART)) {
      for (Path part : parts) {
        if (Files.getLastModifiedTime(part).toInstant().isBefore(recent)) {
          Files.deleteIfExists(part);
        }
      }
    } catch (NoSuchFileException | DirectoryIteratorException e) {
      // Another process was quicker.
    }
  }

  /**
   * A CUDA emulator, put into a folder of its hash under {@code cache} if it is not there.
   *
   * @param name of its file
   * @throws CudaException if the jar has none for this system, or it cannot be written
   */
  static Path extractEmulator(Path cache, String name) {
    String resource = "/io/nepenthe/cuda/" + ofThisPlatform().platform + "/" + name;
    try (InputStream in = resource(resource)) {
      if (in == null) {
        throw new CudaException("this build has no CUDA emulator: " + resource + " is missing");
      }
      byte[] bytes = in.readAllBytes();
      String digest = HexFormat.of().formatHex(sha256().digest(bytes));
      Path directory = new LibraryCache(cache).folder(digest);
      Path target = directory.resolve(name);
      if (!Files.exists(target) || !hash(target).equals(digest)) {
        deleteAbandoned(directory);
        Path part = Files.createTempFile(directory, name, PART);
        part.toFile().deleteOnExit();
        Files.write(part, bytes);
        Files.move(
            part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      }
      return target;
    } catch (IOException e) {
      throw new CudaException("cannot put the CUDA emulator into " + cache + ": " + e, e);
    }
  }

  /**
   * An entry of this jar or another. Asked for it, a class of a module finds its own jar's only.
   */
  private static InputStream resource(String name) {
    return PackagedLibrary.class.getClassLoader().getResourceAsStream(name.substring(1));
  }

  private String expected(String file) {
    return manifest.getProperty(file, "nothing");
  }

  private String key(List<String> files) {
    MessageDigest digest = sha256();
    files.forEach(
        file -> digest.update(expected(file).getBytes(java.nio.charset.StandardCharsets.UTF_8)));
    return HexFormat.of().formatHex(digest.digest());
  }

  private static String hash(Path file) throws IOException {
    MessageDigest digest = sha256();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read; (read = in.read(buffer)) >= 0; ) {
        digest.update(buffer, 0, read);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
