package io.nepenthe.data;

import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Files that are there whole or not at all: written beside their place under another name, flushed
 * to the disk, then moved over what was there. A process that is asked to end takes unfinished ones
 * with it.
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
   * Writes a file, and makes the folders above it that are not there.
   *
   * @param file its place; what was there is replaced
   * @param writer writes the contents
   * @throws DataException if the file cannot be written; what was there stays
   */
  public static void write(Path file, Writer writer) {
    Path target = file.toAbsolutePath();
    Path folder = target.getParent();
    if (folder == null || Files.isDirectory(target)) {
      throw new DataException(file.toString(), "the name of a file to write", "a folder");
    }
    try {
      Files.createDirectories(folder);
      // Not Files.createTempFile: its files can be read by their owner alone, and stay so when
      // moved.
      Path temporary =
          folder.resolve(
              "."
                  + target.getFileName()
                  + "."
                  + ProcessHandle.current().pid()
                  + "-"
                  + Long.toHexString(System.nanoTime())
                  + ".tmp");
      UNFINISHED.add(temporary);
      try {
        try (FileChannel channel =
            FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
          OutputStream buffered =
              new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
          writer.write(new Unclosed(buffered));
          buffered.flush();
          channel.force(true);
        }
        Files.move(
            temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(temporary);
        UNFINISHED.remove(temporary);
      }
    } catch (IOException e) {
      throw DataException.io(file.toString(), "a file that can be written", e);
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
