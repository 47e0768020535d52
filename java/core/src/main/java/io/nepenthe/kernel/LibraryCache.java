package io.nepenthe.kernel;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;

/**
 * The folders that libraries are unpacked to, one a build. A process that uses one locks that
 * folder's byte of the file {@value #LOCKS} until it ends, and sets the folder's time; before a
 * folder is made, those are deleted that no process holds and that were not used for a day. Where
 * files cannot be locked or written, folders are used as they are and none is deleted.
 */
final class LibraryCache {
  /** Never deleted, so that all processes lock the same one. */
  static final String LOCKS = "in-use";

  private static final Pattern FOLDER = Pattern.compile("[0-9a-f]{64}");
  private static final int DIGITS_OF_POSITION = 15;
  private static final Duration UNUSED = Duration.ofDays(1);

  /** How often and how long a folder is waited for that is being deleted. */
  private static final int TRIES = 1000;

  private static final long PAUSE = TimeUnit.MILLISECONDS.toNanos(10);

  /** Never closed: that would end all locks that this process has on the file. */
  private static final Map<Path, FileChannel> CHANNELS = new ConcurrentHashMap<>();

  /** By the folder; a lock that nobody refers to is forgotten by Java, not by the system. */
  private static final Map<Path, FileLock> HELD = new ConcurrentHashMap<>();

  private final Path root;

  LibraryCache(Path root) {
    this.root = root.toAbsolutePath();
  }

  /**
   * The folder of that name, made if it is not there, for this process to use until it ends.
   *
   * @param hash 64 hexadecimal digits
   * @throws IOException if it cannot be made
   */
  Path folder(String hash) throws IOException {
    Path folder = root.resolve(hash);
    FileChannel channel = CHANNELS.computeIfAbsent(root, LibraryCache::open);
    if (channel != null) {
      hold(channel, folder);
      if (!Files.exists(folder)) {
        deleteUnused(channel);
      }
    }
    createPrivate(folder);
    touch(folder);
    return folder;
  }

  /** The file of locks; null where there can be none. */
  private static FileChannel open(Path root) {
    try {
      createPrivate(root);
      return FileChannel.open(
          root.resolve(LOCKS),
          StandardOpenOption.CREATE,
          StandardOpenOption.READ,
          StandardOpenOption.WRITE);
    } catch (IOException e) {
      return null;
    }
  }

  /** Keeps other processes from deleting it, and waits while one does. */
  private static void hold(FileChannel channel, Path folder) {
    try {
      for (int i = 0; i < TRIES && !HELD.containsKey(folder); i++) {
        FileLock lock = channel.tryLock(position(folder), 1, true);
        if (lock != null) {
          HELD.put(folder, lock);
        } else {
          LockSupport.parkNanos(PAUSE);
        }
      }
    } catch (OverlappingFileLockException e) {
      // Another thread or class loader of this process has it.
    } catch (IOException e) {
      // Files cannot be locked here.
    }
  }

  /** Of a folder's byte in the file of locks. */
  static long position(Path folder) {
    return Long.parseLong(folder.getFileName().toString().substring(0, DIGITS_OF_POSITION), 16);
  }

  private void deleteUnused(FileChannel channel) {
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(root)) {
      for (Path folder : folders) {
        if (FOLDER.matcher(folder.getFileName().toString()).matches()) {
          deleteIfUnused(channel, folder);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      // What cannot be listed cannot be tidied.
    }
  }

  private static void deleteIfUnused(FileChannel channel, Path folder) {
    try {
      if (isUnused(folder)) {
        try (FileLock lock = channel.tryLock(position(folder), 1, false)) {
          // Again, since a process may have come and gone.
          if (lock != null && isUnused(folder)) {
            delete(folder);
          }
        }
      }
    } catch (OverlappingFileLockException e) {
      // This process has it.
    } catch (IOException | DirectoryIteratorException e) {
      // Another process was quicker, or it is not for this user to delete.
    }
  }

  private static boolean isUnused(Path folder) throws IOException {
    return Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
        && Files.getLastModifiedTime(folder).toInstant().isBefore(Instant.now().minus(UNUSED));
  }

  /** Nothing if there is a folder within: that is not of this library's making. */
  private static void delete(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      entries.forEach(files::add);
    }
    if (files.stream().noneMatch(file -> Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS))) {
      for (Path file : files) {
        Files.delete(file);
      }
      Files.delete(folder);
    }
  }

  private static void touch(Path folder) {
    try {
      Files.setLastModifiedTime(folder, FileTime.from(Instant.now()));
    } catch (IOException e) {
      // In a cache that can only be read nothing is deleted either.
    }
  }

  private static void createPrivate(Path directory) throws IOException {
    if (FileSystems.getDefault().supportedFileAttributeViews().contains("posix")) {
      Files.createDirectories(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } else {
      Files.createDirectories(directory);
    }
  }
}
