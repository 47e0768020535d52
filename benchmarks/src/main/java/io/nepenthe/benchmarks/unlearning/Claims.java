package io.nepenthe.benchmarks.unlearning;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * What each of the processes that share a file of results is at, so that every one takes what no
 * other has. A claim is a lock on one byte of a file of their own, and ends with its process at the
 * latest. (Locks on the results themselves would end whenever those are read.)
 */
final class Claims implements AutoCloseable {
  private final FileChannel locks;

  /** Claims among those who share these results, on one machine. */
  Claims(Path results) {
    String name = "nepenthe-%08x.locks".formatted(results.toAbsolutePath().normalize().hashCode());
    Path file = Path.of(System.getProperty("java.io.tmpdir"), name);
    try {
      locks = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Something to do, as long as it is open. */
  record Claim(FileLock lock) implements AutoCloseable {
    @Override
    public void close() {
      try {
        lock.release();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** Takes something; empty if it is taken. */
  Optional<Claim> take(Object what) {
    try {
      return Optional.ofNullable(locks.tryLock(place(what), 1, false)).map(Claim::new);
    } catch (OverlappingFileLockException _) {
      return Optional.empty(); // By this process.
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Takes something as soon as no other process has it. */
  Claim await(Object what) {
    try {
      return new Claim(locks.lock(place(what), 1, false));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** By its words, which are the same in every process. */
  private static long place(Object what) {
    return Integer.toUnsignedLong(what.toString().hashCode());
  }

  @Override
  public void close() {
    try {
      locks.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
