package io.nepenthe.cli;

import io.nepenthe.data.AtomicFile;
import java.nio.file.Files;
import java.nio.file.Path;

/** Checks places to write to before the work is done, so that it is not done in vain. */
final class Outputs {
  private Outputs() {}

  /**
   * A file that can be written, as far as can be said without writing. What killed runs left
   * unfinished beside it is deleted.
   *
   * @throws CommandException if not
   */
  static void requireWritable(Path file) {
    if (AtomicFile.isStream(file)) {
      return;
    }
    Path target = AtomicFile.followed(file.toAbsolutePath()).normalize();
    if (Files.isDirectory(target) || target.getFileName() == null) {
      throw new CommandException(file + ": expected the name of a file to write, found a folder");
    }
    requireFolder(file, target.getParent());
    AtomicFile.deleteAbandoned(target.getParent());
  }

  /** A folder for what a command needs only while it runs: the file's, if that is no stream. */
  static Path scratch(Path file) {
    return AtomicFile.isStream(file)
        ? Path.of(System.getProperty("java.io.tmpdir"))
        : AtomicFile.followed(file.toAbsolutePath()).getParent();
  }

  /**
   * A folder that files can be written into; it need not be there yet.
   *
   * @throws CommandException if not
   */
  static void requireFolder(Path folder) {
    requireFolder(folder, folder.toAbsolutePath().normalize());
  }

  private static void requireFolder(Path named, Path folder) {
    Path there = folder;
    while (there != null && !Files.exists(there)) {
      there = there.getParent();
    }
    if (there == null || !Files.isDirectory(there)) {
      throw new CommandException(
          named + ": expected a folder to write into, found that " + there + " is none");
    }
    if (!Files.isWritable(there)) {
      throw new CommandException(
          named + ": expected a folder that can be written, found that " + there + " cannot");
    }
  }
}
