package io.nepenthe.data;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * Files that are there whole or not at all: written beside their place under another name, flushed
 * to the disk, then moved over what was there. A process that is asked to end takes unfinished ones
 * with it; of one that is killed, {@link #deleteAbandoned} finds them.
 */
public final class AtomicFile {
  /** What writes the contents. */
  @FunctionalInterface
  public interface Writer {
    /**
     * Writes all of them.
     *
     * @param out where to; closing it does nothing
     * @throws IOException if that fails
     */
    void write(OutputStream out) throws IOException;
  }

  private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

  private static final Path OPEN_FILES = Path.of("/proc");
  private static final int MOST_LINKS = 40;
  private static final Pattern TEMPORARY = Pattern.compile("\\..+\\.[0-9]+-[0-9a-f]+\\.tmp");

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(AtomicFile::deleteUnfinished));
  }

  private AtomicFile() {}

  private static void deleteUnfinished() {
    for (Path file : UNFINISHED) {
      try {
        Files.deleteIfExists(file);
      } catch (IOException e) {
        // The process is ending; there is nobody left to tell.
      }
    }
  }

  /**
   * Writes a file, and makes the folders above it that are not there. A link stays: what it names
   * is written.
   *
   * @param file its place; what was there is replaced, but a {@linkplain #isStream stream} is
   *     written to
   * @param writer writes the contents
   * @throws DataException if the file cannot be written; what was there stays
   */
  public static void write(Path file, Writer writer) {
    Path target = followed(file.toAbsolutePath());
    if (target.getParent() == null || Files.isDirectory(target)) {
      throw new DataException(file.toString(), "the name of a file to write", "a folder");
    }
    try {
      if (isStream(file)) {
        try (OutputStream out = new FileOutputStream(file.toFile(), true)) {
          write(out, writer);
        }
        return;
      }
      try (Unfinished unfinished = Unfinished.begin(target)) {
        write(Channels.newOutputStream(unfinished.channel()), writer);
        unfinished.channel().force(true);
        unfinished.finish();
      }
    } catch (IOException e) {
      throw DataException.io(file.toString(), "a file that can be written", e);
    }
  }

  private static void write(OutputStream out, Writer writer) throws IOException {
    OutputStream buffered = new BufferedOutputStream(out, 1 << 16);
    writer.write(new Unclosed(buffered));
    buffered.flush();
  }

  /**
   * Whether a name stands for a pipe, a device or an open file of this process, {@code /dev/stdout}
   * for instance, which cannot be moved into place: a new file would end it.
   */
  public static boolean isStream(Path file) {
    return Files.exists(file)
        && !Files.isDirectory(file)
        && (!Files.isRegularFile(file) || followed(file.toAbsolutePath()).startsWith(OPEN_FILES));
  }

  /**
   * The place that is written under a name: where it is a link, the one that it leads to.
   *
   * @param file need not be there
   */
  public static Path followed(Path file) {
    Path place = file;
    try {
      for (int links = 0;
          links < MOST_LINKS && !place.startsWith(OPEN_FILES) && Files.isSymbolicLink(place);
          links++) {
        place = place.resolveSibling(Files.readSymbolicLink(place));
      }
    } catch (IOException e) {
      // Not readable: it is replaced, or cannot be, which is said then.
    }
    return place;
  }

  /** A file under another name, locked, until it is finished; if it never is, it is deleted. */
  static final class Unfinished implements AutoCloseable {
    private final Path target;
    private final Path temporary;
    private final FileChannel channel;

    private Unfinished(Path target, Path temporary, FileChannel channel) {
      this.target = target;
      this.temporary = temporary;
      this.channel = channel;
    }

    /** Makes it, and the folders above it that are not there. */
    static Unfinished begin(Path target) throws IOException {
      Files.createDirectories(target.getParent());
      while (true) {
        // Not Files.createTempFile: its files can be read by their owner alone, and stay so when
        // moved.
        Path temporary =
            target.resolveSibling(
                "."
                    + target.getFileName()
                    + "."
                    + ProcessHandle.current().pid()
                    + "-"
                    + Long.toHexString(System.nanoTime())
                    + ".tmp");
        UNFINISHED.add(temporary);
        boolean held = false;
        try {
          FileChannel channel =
              FileChannel.open(
                  temporary,
                  StandardOpenOption.CREATE_NEW,
                  StandardOpenOption.READ,
                  StandardOpenOption.WRITE);
          Unfinished file = new Unfinished(target, temporary, channel);
          held = locked(channel) && Files.exists(temporary);
          if (held) {
            return file;
          }
          // Another process had taken the new file for one that was left.
          file.close();
        } finally {
          if (!held) {
            UNFINISHED.remove(temporary);
          }
        }
      }
    }

    FileChannel channel() {
      return channel;
    }

    /**
     * Takes its name away where the system can do that to an open file: it then ends with the
     * process, however that ends.
     */
    void unname() {
      try {
        Files.deleteIfExists(temporary);
        UNFINISHED.remove(temporary);
      } catch (IOException e) {
        // It keeps the name until the process ends.
      }
    }

    /** Moves it to its place. */
    void finish() throws IOException {
      // Before the lock ends, and with it what tells that the file is not left.
      Files.move(
          temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Override
    public void close() throws IOException {
      try (channel) {
        Files.deleteIfExists(temporary);
      } finally {
        UNFINISHED.remove(temporary);
      }
    }
  }

  /** Whether no other process holds the file; true where files cannot be locked. */
  private static boolean locked(FileChannel channel) {
    try {
      return channel.tryLock() != null;
    } catch (IOException e) {
      return true;
    }
  }

  /**
   * Deletes the unfinished files that processes left in a folder because they were killed, which
   * could not take them along. Those that are being written are locked, and stay.
   *
   * @param folder if it is not there, there is nothing to delete
   * @return how many were deleted
   */
  public static int deleteAbandoned(Path folder) {
    int deleted = 0;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, ".*.tmp")) {
      for (Path file : files) {
        deleted +=
            TEMPORARY.matcher(file.getFileName().toString()).matches() && abandoned(file) ? 1 : 0;
      }
    } catch (IOException | DirectoryIteratorException e) {
      // Where nothing can be listed, nothing can be tidied.
    }
    return deleted;
  }

  private static boolean abandoned(Path file) {
    // Closing any channel of a file ends the locks that this process has on it.
    if (UNFINISHED.stream().anyMatch(own -> own.getFileName().equals(file.getFileName()))) {
      return false;
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      return channel.tryLock() != null && Files.deleteIfExists(file);
    } catch (IOException e) {
      return false; // cannot be locked or deleted
    }
  }

  /** Lets a compressing stream be closed, which ends its format, and keeps the file open. */
  private static final class Unclosed extends FilterOutputStream {
    Unclosed(OutputStream out) {
      super(out);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      out.write(bytes, offset, length);
    }

    @Override
    public void close() throws IOException {
      flush();
    }
  }
}
