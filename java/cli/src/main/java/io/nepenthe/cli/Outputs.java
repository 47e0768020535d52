package io.nepenthe.cli;

import io.nepenthe.data.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * The places that a run writes to, checked before the work is done, so that it is not done in vain
 * and takes nobody's data away.
 */
final class Outputs {
  /** Whether it is a model, by the place of the file. */
  private final Map<Path, Boolean> written = new HashMap<>();

  private final Map<Path, Boolean> read = new HashMap<>();

  /**
   * A file that can be written, as far as can be said without writing, and is not read: only a
   * model may take a model's place. What killed runs left unfinished beside it is deleted.
   *
   * @throws CommandException if not
   */
  void writes(Path file, boolean model) {
    if (AtomicFile.isStream(file)) {
      return;
    }
    requireWritable(file);
    Path place = place(file);
    if (written.put(place, model) != null) {
      throw new CommandException(file + ": expected a file for each output, found it named twice");
    }
    requireApart(file, place);
  }

  /**
   * A file that is read.
   *
   * @throws CommandException if it is to be written
   */
  void reads(Path file, boolean model) {
    Path place = place(file);
    read.merge(place, model, Boolean::logicalAnd);
    requireApart(file, place);
  }

  private void requireApart(Path file, Path place) {
    boolean both = written.containsKey(place) && read.containsKey(place);
    if (both && !(written.get(place) && read.get(place))) {
      throw new CommandException(
          file + ": expected another file to write than is read, found it among the inputs");
    }
  }

  /** One path for a file however it is named; one that is not there has only its own. */
  private static Path place(Path file) {
    try {
      return file.toRealPath();
    } catch (IOException e) {
      return AtomicFile.followed(file.toAbsolutePath()).normalize();
    }
  }

  private static void requireWritable(Path file) {
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
