package io.nepenthe.curvature;

import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/**
 * The folder of a pipeline's files. A stage's result is {@code STAGE.safetensors}; a chunk's part
 * of it, which another process may compute, {@code STAGE.03-of-16.safetensors}; the state of an
 * unfinished one ends with {@code .checkpoint.safetensors}.
 *
 * @param path where
 */
record StageFolder(Path path) {
  private static final String SUFFIX = ".safetensors";

  /** The same, without the unfinished files that killed runs left in it. */
  StageFolder tidied() {
    AtomicFile.deleteAbandoned(path);
    return this;
  }

  /** The file of a whole stage. */
  Path whole(String stage) {
    return path.resolve(stage + SUFFIX);
  }

  /** The file of one chunk, counted from 0. */
  Path piece(String stage, int chunk, int chunks) {
    // Digits of no language: another machine is to find the file.
    return path.resolve(
        String.format(Locale.ROOT, "%s.%02d-of-%02d%s", stage, chunk + 1, chunks, SUFFIX));
  }

  /** The state of an unfinished file. */
  static Path checkpoint(Path of) {
    String name = of.getFileName().toString();
    return of.resolveSibling(
        name.substring(0, name.length() - SUFFIX.length()) + ".checkpoint" + SUFFIX);
  }

  /**
   * Whether a file is there that was computed from the same.
   *
   * @param identity metadata that it must have
   * @throws DataException if it was computed from something else, or is damaged
   */
  static boolean isThere(Path file, Map<String, String> identity) {
    if (!Files.exists(file)) {
      return false;
    }
    try (SafetensorsFile open = SafetensorsFile.open(file)) {
      require(file, open.metadata(), identity);
    }
    return true;
  }

  /** Refuses metadata in which one of these differs. */
  static void require(Path file, Map<String, String> found, Map<String, String> identity) {
    identity.forEach(
        (key, value) -> {
          String other = found.getOrDefault(key, "none");
          if (!other.equals(value)) {
            throw new DataException(
                file.toString(), key + " = " + value + " in its metadata", key + " = " + other);
          }
        });
  }

  static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new DataException(file.toString(), "a file that can be deleted", e.toString(), e);
    }
  }
}
