package io.nepenthe.kernel;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Words a failure to load: what was wanted, what was tried and the system's reason, the likely
 * cause, the remedy.
 */
final class LoadFailure {
  private LoadFailure() {}

  static NativeException of(Path file, String origin, String reason) {
    String cause;
    String remedy;
    if (!Files.exists(file)) {
      cause = "the file does not exist";
      remedy =
          "correct the path, or drop -D"
              + NativeLibrary.LIBRARY_PROPERTY
              + " to use the library in the jar";
    } else if (reason.contains("libdnnl") || reason.contains("libgomp")) {
      cause = "oneDNN's libdnnl.so.3 and libgomp.so.1 are not beside the library";
      remedy = "put them beside it, or use the library in the jar, which brings them";
    } else if (reason.contains("GLIBC")) {
      cause = "the system's C library is older than the one that the library was built with";
      remedy = "build Nepenthe on this system: mvn verify";
    } else if (reason.contains("failed to map") || reason.contains("noexec")) {
      cause = "the folder is mounted noexec";
      remedy = "set XDG_CACHE_HOME to a folder on a file system that allows execution";
    } else {
      cause = "the file is damaged, or is not Nepenthe's library for this processor and system";
      remedy = "delete it and start again, or build it here: mvn verify";
    }
    return message(file, origin, reason, cause, remedy);
  }

  /** Of a Java that refuses calls of native code. */
  static NativeException forbidden(Path file, String origin, IllegalCallerException refusal) {
    return message(
        file,
        origin,
        refusal.getMessage(),
        "Java was started without native access for Nepenthe",
        accessRemedy());
  }

  /** What gives this class's module native access. */
  static String accessRemedy() {
    Module own = LoadFailure.class.getModule();
    return "start Java with --enable-native-access="
        + (own.isNamed() ? own.getName() : "ALL-UNNAMED");
  }

  static NativeException mismatch(Path file, String origin, String expected, String found) {
    return message(
        file,
        origin,
        "its header hash is " + found + ", this jar's is " + expected,
        "the library was built from another version of nepenthe.h than the jar",
        "use the library and the jar of one build: mvn verify makes both");
  }

  static NativeException message(
      Path file, String origin, String reason, String cause, String remedy) {
    return new NativeException(
        "wanted: Nepenthe's native library, from "
            + origin
            + "\ntried: "
            + file
            + ": "
            + reason
            + "\nlikely cause: "
            + cause
            + "\nremedy: "
            + remedy);
  }
}
