package io.nepenthe.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;

/**
 * Bytes read in order from a file, perhaps inflated, whose every failure is a {@link
 * DataException}. It knows how many bytes there can be at most, and gives no memory to a header
 * that claims more.
 */
final class Input implements AutoCloseable {
  private static final int CHUNK = 1 << 20;

  private final String where;
  private final InputStream in;
  private final boolean exact;
  private final long most;
  private long position;

  private Input(String where, InputStream in, boolean exact, long most) {
    this.where = where;
    this.in = in;
    this.exact = exact;
    this.most = most;
  }

  /** A stream of at most {@code most} bytes; of just that many if {@code exact}. */
  static Input of(String where, InputStream in, boolean exact, long most) {
    return new Input(where, in, exact, most);
  }

  /** A file, inflated if its first bytes say that it is compressed by gzip. */
  static Input open(Path file, Limits limits) {
    String where = file.toString();
    try {
      long length = length(file);
      InputStream raw = new BufferedInputStream(channel(file), 1 << 16);
      try {
        raw.mark(2);
        boolean gzip = raw.read() == 0x1f && raw.read() == 0x8b;
        raw.reset();
        return gzip
            ? new Input(where, new GZIPInputStream(raw, 1 << 16), false, limits.inflated(length))
            : new Input(where, raw, true, length);
      } catch (IOException e) {
        raw.close();
        throw e;
      }
    } catch (IOException e) {
      throw DataException.io(where, "a readable file", e);
    }
  }

  /** The length of a regular file; a pipe or device has none and is refused. */
  static long length(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(file.toString());
    }
    if (!Files.isRegularFile(file)) {
      String found = Files.isDirectory(file) ? "a folder" : "neither a file nor a folder";
      throw new DataException(file.toString(), "a file", found);
    }
    return Files.size(file);
  }

  private static InputStream channel(Path file) throws IOException {
    return Channels.newInputStream(FileChannel.open(file, StandardOpenOption.READ));
  }

  /** The file, and the entry in it if any. */
  String where() {
    return where;
  }

  /** How many more bytes there can be. */
  long mostLeft() {
    return most - position;
  }

  /** Fills a buffer from here; says what it is part of if the input ends before. */
  void read(byte[] buffer, int offset, int length, String what) {
    int got;
    try {
      got = in.readNBytes(buffer, offset, length);
    } catch (EOFException e) {
      throw ended(what, "the end of its compressed data", e);
    } catch (IOException e) {
      throw DataException.io(where, what, e);
    }
    position += got;
    if (position > most) {
      throw new DataException(where, "at most " + most + " bytes when inflated", "more");
    }
    if (got < length) {
      throw ended(what, "the end after " + position + " bytes", null);
    }
  }

  /** The next {@code length} bytes. */
  byte[] read(int length, String what) {
    requireRoom(length, what);
    byte[] buffer = new byte[length];
    read(buffer, 0, length, what);
    return buffer;
  }

  /** The next {@code length} bytes in memory of their own, which grows only as they arrive. */
  MemorySegment segment(long length, String what) {
    requireRoom(length, what);
    byte[] chunk = new byte[(int) Math.min(length, CHUNK)];
    if (exact) {
      MemorySegment out = Memory.allocate(where, length);
      fill(out, 0, length, chunk, what);
      return out;
    }
    try (GrowingBytes out = new GrowingBytes(where)) {
      while (out.size() < length) {
        int next = (int) Math.min(chunk.length, length - out.size());
        read(chunk, 0, next, what);
        out.append(chunk, next);
      }
      return out.copy();
    }
  }

  private void fill(MemorySegment out, long from, long length, byte[] chunk, String what) {
    for (long done = 0; done < length; ) {
      int next = (int) Math.min(chunk.length, length - done);
      read(chunk, 0, next, what);
      MemorySegment.copy(MemorySegment.ofArray(chunk), 0, out, from + done, next);
      done += next;
    }
  }

  /** Everything that is left, in one array of at most {@code limit} bytes. */
  byte[] rest(long limit, String what) {
    if (exact && mostLeft() > limit) {
      throw new DataException(
          where, what + " of at most " + limit + " bytes", mostLeft() + " bytes");
    }
    try {
      byte[] all = in.readNBytes((int) Math.min(limit, mostLeft()));
      position += all.length;
      if (in.read() >= 0) {
        throw new DataException(where, what + " of at most " + limit + " bytes", "more");
      }
      return all;
    } catch (IOException e) {
      throw DataException.io(where, what, e);
    }
  }

  /** Passes over bytes. */
  void skip(long length, String what) {
    byte[] chunk = new byte[(int) Math.min(length, 1 << 13)];
    for (long done = 0; done < length; ) {
      int next = (int) Math.min(chunk.length, length - done);
      read(chunk, 0, next, what);
      done += next;
    }
  }

  /** Passes over everything that is left. */
  void drain(String what) {
    byte[] chunk = new byte[1 << 13];
    while (some(chunk, what) > 0) {}
  }

  /** As many of the next bytes as are at hand, 0 at the end. */
  int some(byte[] buffer, String what) {
    try {
      int got = Math.max(0, in.read(buffer));
      position += got;
      if (position > most) {
        throw new DataException(where, "at most " + most + " bytes when inflated", "more");
      }
      return got;
    } catch (IOException e) {
      throw DataException.io(where, what, e);
    }
  }

  /** Requires that nothing follows; this also makes gzip check its checksum. */
  void end(String what) {
    try {
      if (in.read() >= 0) {
        String more = exact ? (most - position) + " more bytes" : "more bytes";
        throw new DataException(where, "nothing after " + what, more);
      }
    } catch (EOFException e) {
      throw ended("a complete gzip trailer", "the end of the file", e);
    } catch (IOException e) {
      throw DataException.io(where, "the end after " + what, e);
    }
  }

  /** The next four bytes as a number, most significant first. */
  long unsignedInt(String what) {
    long value = 0;
    for (byte b : read(4, what)) {
      value = value << 8 | b & 0xff;
    }
    return value;
  }

  private void requireRoom(long length, String what) {
    if (length > mostLeft()) {
      String found = (exact ? "" : "at most ") + Math.max(0, mostLeft());
      throw new DataException(where, length + " bytes of " + what, found + " in the file");
    }
  }

  private DataException ended(String what, String found, IOException cause) {
    return cause == null
        ? new DataException(where, what, found)
        : new DataException(where, what, found, cause);
  }

  @Override
  public void close() {
    try {
      in.close();
    } catch (IOException e) {
      throw DataException.io(where, "a file that closes", e);
    }
  }

  /** Whether the bytes begin with these. */
  static boolean startsWith(byte[] bytes, int... magic) {
    if (bytes.length < magic.length) {
      return false;
    }
    int[] first = new int[magic.length];
    for (int i = 0; i < first.length; i++) {
      first[i] = bytes[i] & 0xff;
    }
    return Arrays.equals(first, magic);
  }
}
